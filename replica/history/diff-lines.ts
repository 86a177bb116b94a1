/** What is told of a comparison of two points: changes at or below a path, as many as are wanted, and counts. */
import type { DiffSummary } from '../../shared/api/changes.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { DiffEntry } from './set-reader.js';

export interface DiffScope {
  /** Only what is at or below it, at either point; everything when it is empty. */
  readonly path: Buffer;
  /** Changes that are told. */
  readonly limit: number;
  /** `with`: counts come last; `only`: nothing else comes. */
  readonly summary?: 'with' | 'only' | undefined;
  readonly signal: AbortSignal;
}

/** Gives way between changes, also between those that are not told. */
export async function* tellChanges(
  changes: Iterable<DiffEntry> | AsyncIterable<DiffEntry>,
  scope: DiffScope,
): AsyncGenerator<DiffEntry | DiffSummary> {
  const slice = new TimeSlice();
  const counts = emptySummary();
  let told = 0;
  for await (const change of changes) {
    if (scope.signal.aborted) return;
    await slice.breathe();
    if (!isWithin(change, scope.path)) continue;
    count(counts, change);
    if (scope.summary === 'only') continue;
    if (told < scope.limit) yield change;
    else if (scope.summary === undefined) return;
    else counts.leftOut += 1;
    told += 1;
  }
  if (scope.summary !== undefined) yield counts;
}

function isWithin({ path, movedFrom }: DiffEntry, prefix: Buffer): boolean {
  return isBelow(path, prefix) || (movedFrom !== undefined && isBelow(movedFrom, prefix));
}

function isBelow(path: Buffer, prefix: Buffer): boolean {
  if (prefix.length === 0) return true;
  if (!path.subarray(0, prefix.length).equals(prefix)) return false;
  return path.length === prefix.length || path[prefix.length] === 0x2f;
}

function emptySummary(): DiffSummary {
  return {
    type: 'summary',
    ...{ added: 0, removed: 0, content: 0, metadata: 0, kind: 0, moved: 0 },
    ...{ bytesAdded: 0, bytesRemoved: 0, bytesGrown: 0, leftOut: 0 },
  };
}

function count(counts: DiffSummary, { change, before, after, movedFrom }: DiffEntry): void {
  counts[change] += 1;
  if (movedFrom !== undefined) counts.moved += 1;
  if (change === 'added') counts.bytesAdded += after?.size ?? 0;
  else if (change === 'removed') counts.bytesRemoved += before?.size ?? 0;
  else counts.bytesGrown += (after?.size ?? 0) - (before?.size ?? 0);
}
