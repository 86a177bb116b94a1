/**
 * Checks a set against itself, and its bytes against their digests. From the newest point to the
 * oldest: of an older point only blocks are read whose digests differ from those of the next newer
 * one, because the others are the same stored bytes. Damage is reported for every point that has it.
 */
import type { VerifyFinding, VerifyLine } from '../../shared/api/actions.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { toPathText } from '../../shared/path-text.js';
import type { PointSummary, PointView, SetReader } from '../history/set-reader.js';
import type { FolderPart, SourceEntry } from '../../shared/restore/point-source.js';
import { joinPath } from '../../shared/restore/set-path.js';
import { walkFolders } from '../restore/tree-order.js';
import { throwIfCancelled } from '../../shared/restore/cancelled.js';
import { type CheckedViews, DataCheck } from './check-data.js';
import { chainContradiction, entryContradiction } from './check-index.js';
import { NodeSet } from './node-set.js';

export interface VerifyRequest {
  readonly hash: HashCore;
  /** Every point when left out. */
  readonly point?: number;
  /** None newer than this: those were checked before, with the same depth. */
  readonly upTo?: number;
  /** `data` reads every block too. */
  readonly depth: 'index' | 'data';
  readonly signal: AbortSignal;
}

/** Work between two lines of progress. */
const PROGRESS_ENTRIES = 5000;
const PROGRESS_BYTES = 64 * 1024 * 1024;

/** Progress and findings, as they come. Throws `cancelled`. */
export async function* verifySet(
  reader: SetReader,
  request: VerifyRequest,
): AsyncGenerator<VerifyLine> {
  const points = reader.points();
  yield* checkChain(points);
  const { upTo = Infinity } = request;
  const chosen = points
    .filter(({ point }) => request.point === undefined || request.point === point)
    .filter(({ point }) => point <= upTo)
    .toReversed();
  yield* checkDigests(reader, chosen, request.signal);
  const run = new VerifyRun(request, chosen.length);
  let newer = checkedBefore(reader, points, upTo);
  try {
    for (const { point } of chosen) {
      const view = tryOpen(reader, point);
      if (view instanceof AfterimageError) {
        yield finding(point, undefined, view);
        continue;
      }
      const older = newer;
      newer = view;
      try {
        yield* run.check({ view, newer: older });
      } finally {
        older?.close();
      }
    }
  } finally {
    newer?.close();
  }
}

/** The oldest point of those that an earlier verification checked: what it shares is not read again. */
function checkedBefore(
  reader: SetReader,
  points: readonly PointSummary[],
  upTo: number,
): PointView | undefined {
  const next = points.find(({ point }) => point > upTo);
  const view = next === undefined ? undefined : tryOpen(reader, next.point);
  return view instanceof AfterimageError ? undefined : view;
}

/** A point that a scrub called damaged cannot be opened: that is a finding. */
function tryOpen(reader: SetReader, point: number): PointView | AfterimageError {
  try {
    return reader.open(point);
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'damaged') return error;
    throw error;
  }
}

function* checkChain(points: readonly PointSummary[]): Generator<VerifyFinding> {
  for (const [index, point] of points.entries()) {
    const message = chainContradiction(points[index - 1], point);
    if (message === undefined) continue;
    yield { type: 'finding', finding: 'index', point: point.point, message };
  }
}

/** Whether the rows of each point still come out as the digest that its certificate names (R26). */
async function* checkDigests(
  reader: SetReader,
  chosen: readonly PointSummary[],
  signal: AbortSignal,
): AsyncGenerator<VerifyFinding> {
  const points = chosen.map(({ point }) => point).sort((a, b) => a - b);
  if (reader.pointDigests === undefined) return;
  for await (const { point, kept, computed } of reader.pointDigests({ points, signal })) {
    if (kept?.equals(computed) === true) continue;
    const message =
      kept === undefined
        ? 'no digest of it is kept'
        : 'its rows do not come out as its digest: some were changed, added or lost';
    yield { type: 'finding', finding: 'index', point, message };
  }
}

class VerifyRun {
  readonly #request: VerifyRequest;
  readonly #pointsTotal: number;
  readonly #data: DataCheck;
  #pointsDone = 0;
  #entries = 0;
  #bytes = 0;
  #toldEntries = 0;
  #toldBytes = 0;

  constructor(request: VerifyRequest, pointsTotal: number) {
    this.#request = request;
    this.#pointsTotal = pointsTotal;
    this.#data = new DataCheck(request.hash);
  }

  async *check(views: CheckedViews): AsyncGenerator<VerifyLine> {
    const { point } = views.view;
    const seen = new NodeSet();
    try {
      for (const part of walkFolders(views.view, [])) yield* this.#part(views, part, seen);
    } catch (error) {
      throwIfCancelled(this.#request.signal);
      yield finding(point, undefined, error);
    }
    this.#pointsDone += 1;
    yield this.#progress(point);
  }

  async *#part(views: CheckedViews, part: FolderPart, seen: NodeSet): AsyncGenerator<VerifyLine> {
    for (const entry of part.entries) {
      throwIfCancelled(this.#request.signal);
      const path = joinPath(part.path, entry.name);
      this.#entries += 1;
      yield* this.#entry(views, { path, entry }, seen);
      if (this.#isProgressDue()) yield this.#progress(views.view.point);
    }
  }

  async *#entry(
    views: CheckedViews,
    { path, entry }: { readonly path: Buffer; readonly entry: SourceEntry },
    seen: NodeSet,
  ): AsyncGenerator<VerifyLine> {
    const { point } = views.view;
    const { version } = entry;
    const message = entryContradiction(views.view, entry);
    if (message !== undefined) {
      yield { type: 'finding', finding: 'index', point, path: toPathText(path), message };
      return;
    }
    if (this.#request.depth === 'index' || version.kind !== 'file' || !seen.add(version.node)) {
      return;
    }
    try {
      for await (const result of this.#data.file(views, version)) {
        throwIfCancelled(this.#request.signal);
        if (result.type === 'read') this.#bytes += result.bytes;
        else yield { ...finding(point, path, result.error), block: result.block };
        if (this.#isProgressDue()) yield this.#progress(point);
      }
    } catch (error) {
      throwIfCancelled(this.#request.signal);
      yield finding(point, path, error);
    }
  }

  #isProgressDue(): boolean {
    return (
      this.#entries - this.#toldEntries >= PROGRESS_ENTRIES ||
      this.#bytes - this.#toldBytes >= PROGRESS_BYTES
    );
  }

  #progress(point: number): VerifyLine {
    this.#toldEntries = this.#entries;
    this.#toldBytes = this.#bytes;
    return {
      type: 'progress',
      point,
      pointsDone: this.#pointsDone,
      pointsTotal: this.#pointsTotal,
      entries: this.#entries,
      bytes: this.#bytes,
    };
  }
}

function finding(point: number, path: Buffer | undefined, cause: unknown): VerifyFinding {
  const error = asAfterimageError(cause);
  return {
    type: 'finding',
    finding: error.code === 'damaged' ? 'damaged' : 'index',
    point,
    ...(path === undefined ? {} : { path: toPathText(path) }),
    message: error.message,
  };
}
