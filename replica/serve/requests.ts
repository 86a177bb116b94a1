/** Reads what a request asks for: sets, points, paths and checked bodies. */
import type { z } from 'zod';
import { AfterimageError } from '../../shared/errors.js';
import { parsePathText } from '../../shared/path-text.js';
import { parsePointSelector, selectPoint } from '../../shared/point-selector.js';
import type { NodeVersion, PointSummary, PointView } from '../history/set-reader.js';
import { cleanPath } from '../../shared/restore/set-path.js';
import type { ServedSet } from './served-set.js';

export interface SetParams {
  readonly set: string;
}
export interface PointParams extends SetParams {
  readonly point: string;
}

/** Throws `argument-invalid` with the first thing that is wrong. */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue === undefined ? '' : issue.path.map(String).join('.');
  throw new AfterimageError('argument-invalid', `${where}: ${issue?.message ?? 'not understood'}`, {
    cause: result.error,
  });
}

export function findSet(sets: readonly ServedSet[], name: string): ServedSet {
  const found = sets.find(({ reader }) => reader.set === name);
  if (found !== undefined) return found;
  throw new AfterimageError('not-found', `there is no set ${JSON.stringify(name)}`, {
    facts: { set: name },
  });
}

export function findPoint(served: ServedSet, selector: string): PointSummary {
  const parsed = parsePointSelector(selector);
  const { reader } = served;
  return reader.select?.(parsed) ?? selectPoint(parsed, reader.points());
}

/** The point of this number, or undefined where there is none (any more). */
export function summaryOf({ reader }: ServedSet, point: number): PointSummary | undefined {
  if (reader.select === undefined) return reader.points().find((each) => each.point === point);
  try {
    return reader.select({ type: 'number', point });
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** The same when only the number is needed, which is cheaper: a number is checked when it is opened. */
export function openPoint(sets: readonly ServedSet[], { set, point }: PointParams): PointView {
  const served = findSet(sets, set);
  const selector = parsePointSelector(point);
  if (selector.type === 'number') return served.reader.open(selector.point);
  const newest = served.reader.newest();
  if (selector.type === 'latest' && selector.back === 0 && newest !== undefined) {
    return served.reader.open(newest.point);
  }
  return served.reader.open(findPoint(served, point).point);
}

/** A path from a query: empty components do not count. */
export function pathOf(text: string): Buffer {
  return cleanPath(parsePathText(text));
}

/** Throws `not-found`. */
export function resolvePath(view: PointView, text: string): NodeVersion {
  const version = view.resolve(pathOf(text));
  if (version !== undefined) return version;
  throw new AfterimageError('not-found', `${JSON.stringify(text)} is not in point ${view.point}`, {
    facts: { set: view.set, point: view.point, path: text },
  });
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * A Range header of one range, within `size`: undefined when there is none, `unsatisfiable` when it
 * lies outside. Several ranges, or another unit, are ignored as RFC 9110 allows.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [first, last] = [match[1] ?? '', match[2] ?? ''];
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(size, Number(last));
    return length === 0 ? 'unsatisfiable' : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === '' ? size : Math.min(size, Number(last) + 1);
  if (last !== '' && Number(last) < offset) return undefined;
  return offset >= size ? 'unsatisfiable' : { offset, length: end - offset };
}
