/**
 * How an operator names a point: a number, `latest`, `latest~2` (two before it) or a time. Pure, so
 * that command line and API choose alike. A time chooses the newest point not after it.
 */
import { AfterimageError } from './errors.js';

export type PointSelector =
  | { readonly type: 'number'; readonly point: number }
  /** `back` points before the newest. */
  | { readonly type: 'latest'; readonly back: number }
  /** The newest point whose time is not after this, ms since the epoch. */
  | { readonly type: 'time'; readonly timeMs: number };

/** What a choice needs to know of a point; lists are oldest first. */
export interface DatedPoint {
  readonly point: number;
  readonly timeMs: number;
}

export interface SetPointText {
  readonly set: string;
  readonly selector: PointSelector;
}

/**
 * Reads a selector. A time without a zone is local time; a date is its first moment; a time to the
 * second includes the whole second, because that is how times are printed.
 * Throws `argument-invalid`.
 */
export function parsePointSelector(text: string): PointSelector {
  if (/^\d{1,15}$/.test(text)) return { type: 'number', point: Number(text) };
  const latest = /^latest(?:~(\d{1,9}))?$/.exec(text);
  if (latest !== null) return { type: 'latest', back: Number(latest[1] ?? '0') };
  const timeMs = parseTime(text);
  if (timeMs !== undefined) return { type: 'time', timeMs };
  throw new AfterimageError(
    'argument-invalid',
    `${JSON.stringify(text)} is no point: give a number, latest, latest~N or a time such as 2031-05-04T13:30`,
  );
}

/** The form that means the same in every time zone, for the API. */
export function formatPointSelector(selector: PointSelector): string {
  switch (selector.type) {
    case 'number':
      return String(selector.point);
    case 'latest':
      return selector.back === 0 ? 'latest' : `latest~${selector.back}`;
    case 'time':
      return new Date(selector.timeMs).toISOString();
  }
}

/** Chooses among `points` (oldest first). Throws `not-found`. */
export function selectPoint<Point extends DatedPoint>(
  selector: PointSelector,
  points: readonly Point[],
): Point {
  const chosen = choose(selector, points);
  if (chosen !== undefined) return chosen;
  const why = whatExists(selector, points);
  throw new AfterimageError('not-found', `no point ${formatPointSelector(selector)}: ${why}`);
}

function whatExists(selector: PointSelector, points: readonly DatedPoint[]): string {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined) return 'there is none yet';
  if (selector.type === 'number') {
    const older = points.findLast(({ point }) => point < selector.point);
    const newer = points.find(({ point }) => point > selector.point);
    if (older !== undefined && newer !== undefined) {
      return `it was removed; the nearest that stay are ${older.point} and ${newer.point}`;
    }
  }
  const oldest = new Date(first.timeMs).toISOString();
  return `points ${first.point} to ${last.point} exist, the oldest of ${oldest}`;
}

function choose<Point extends DatedPoint>(
  selector: PointSelector,
  points: readonly Point[],
): Point | undefined {
  switch (selector.type) {
    case 'number':
      return points.find((candidate) => candidate.point === selector.point);
    case 'latest':
      return points.at(-1 - selector.back);
    case 'time':
      return points.findLast((candidate) => candidate.timeMs <= selector.timeMs);
  }
}

/** Reads `SET@POINT`. Throws `argument-invalid`. */
export function parseSetPoint(text: string): SetPointText {
  const at = text.lastIndexOf('@');
  if (at <= 0 || at === text.length - 1) {
    throw new AfterimageError(
      'argument-invalid',
      `${JSON.stringify(text)} is not SET@POINT, such as shop@latest`,
    );
  }
  return { set: text.slice(0, at), selector: parsePointSelector(text.slice(at + 1)) };
}

const timePattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

function parseTime(text: string): number | undefined {
  const match = timePattern.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((part: string | undefined) => Number(part ?? '0')) as Fields;
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const ms = match[6] !== undefined && match[7] === undefined ? 999 : millis(match[7]);
  const zone = match[8];
  if (zone === undefined) {
    return new Date(year, month - 1, day, hour, minute, second, ms).getTime();
  }
  return Date.UTC(year, month - 1, day, hour, minute, second, ms) - zoneOffsetMs(zone);
}

type Fields = [number, number, number, number, number, number];

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function millis(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
}

function zoneOffsetMs(zone: string): number {
  if (zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}
