/**
 * Gives back the room of records that no row names: packs under half live are emptied into the one
 * that is appended to, record by record as they are, and removed. What retention freed goes this
 * way, and what refused syncs had archived.
 *
 * Each step takes the set's lock for a few MiB, between steps of syncs: append, flush, one
 * transaction that moves the rows, and only then, once no row names the pack, unlink. A crash leaves
 * records or a pack that no row names; the start sweeps both (R4). Readers look a row up and read
 * its record in one turn; who is late finds no pack and looks again (R9).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import {
  isPackNamed,
  moveRecord,
  namedBytes,
  type NamedRecord,
  notePackTail,
  recordsOf,
} from '../index/pack-rows.js';
import type { PackPlace } from './packs.js';
import type { SetStore } from './set-store.js';

/** Where a crash makes a difference; tests stop there. */
export type RewriteStep = 'appended' | 'flushed' | 'moved' | 'removed';

export interface RewriteDeps {
  readonly store: SetStore;
  readonly log: Log;
  /** Runs a step under the set's lock. */
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  /** False while a sealed sync names records by an intent that no transaction has taken yet. */
  readonly mayMove: () => boolean;
  /** Bytes moved a second, on average. */
  readonly bytesPerSecond: number;
  readonly signal: AbortSignal;
  /** The pack that is appended to is closed early only from this size on. */
  readonly rollBytesMin?: number;
  readonly reached?: (step: RewriteStep) => void;
}

export interface RewriteResult {
  /** Packs that were removed. */
  packs: number;
  /** Bytes of live records that were moved. */
  movedBytes: number;
  /** Bytes that the packs take less than before. */
  freedBytes: number;
}

const LIVE_SHARE_MIN = 0.5;
const STEP_BYTES = 4 * 1024 * 1024;
const STEP_RECORDS = 1024;
const ROLL_BYTES_MIN = 1024 * 1024;

/** Rewrites every pack that is worth it; ends early, and takes up where it was next time, when aborted. */
export async function rewritePacks(deps: RewriteDeps): Promise<RewriteResult> {
  const result: RewriteResult = { packs: 0, movedBytes: 0, freedBytes: 0 };
  await deps.exclusively(() => {
    rollWhenDead(deps);
    return Promise.resolve();
  });
  for (const { pack } of deps.store.packs.files().filter(({ open }) => !open)) {
    if (isMostlyLive(deps.store, pack)) continue;
    await emptyPack(deps, pack, result);
    if (deps.signal.aborted) break;
  }
  return result;
}

function rollWhenDead({ store, mayMove, rollBytesMin }: RewriteDeps): void {
  const open = store.packs.files().find((file) => file.open);
  if (open === undefined || open.bytes < (rollBytesMin ?? ROLL_BYTES_MIN) || !mayMove()) return;
  if (!isMostlyLive(store, open.pack)) store.packs.roll();
}

function isMostlyLive({ packs, writer }: SetStore, pack: number): boolean {
  const bytes = packs.files().find((file) => file.pack === pack)?.bytes ?? 0;
  return namedBytes(writer, pack) >= bytes * LIVE_SHARE_MIN && bytes > 0;
}

async function emptyPack(deps: RewriteDeps, pack: number, result: RewriteResult): Promise<void> {
  for (;;) {
    const startedMs = performance.now();
    let moved: number | undefined;
    try {
      moved = await deps.exclusively(() => Promise.resolve(step(deps, pack, result)));
    } catch (error) {
      if (!(error instanceof AfterimageError) || error.code !== 'damaged') throw error;
      // Not moved, so that it can be repaired where it is; its points answer an error meanwhile.
      deps.log.warn('a pack is left as it is: a record of it is damaged', {
        set: deps.store.set,
        pack,
        error: error.message,
      });
      return;
    }
    if (moved === undefined || deps.signal.aborted) return;
    const dueMs = (moved / deps.bytesPerSecond) * 1000 - (performance.now() - startedMs);
    if (dueMs > 0) await delay(dueMs, undefined, { signal: deps.signal }).catch(() => undefined);
  }
}

/** Moves some records. Returns their bytes; undefined when there is nothing left to do. */
function step(deps: RewriteDeps, pack: number, result: RewriteResult): number | undefined {
  const { store, reached } = deps;
  // Another run may have removed it meanwhile.
  if (!deps.mayMove() || !store.packs.files().some((file) => file.pack === pack)) return undefined;
  const rows = firstRecords(store, pack);
  if (rows.length === 0) {
    if (isPackNamed(store.writer, pack)) return undefined;
    result.freedBytes += store.packs.remove(pack);
    result.packs += 1;
    reached?.('removed');
    return undefined;
  }
  const records = rows.map((row) => store.packs.readRecord(row, row));
  const moves = records.map((record): PackPlace => store.packs.appendRecord(record));
  reached?.('appended');
  store.packs.flush();
  reached?.('flushed');
  store.writer.durably(() => {
    for (const [at, to] of moves.entries()) {
      const from = rows[at];
      if (from !== undefined) moveRecord(store.writer, from, to);
    }
    notePackTail(store.writer, store.packs.tail());
  });
  reached?.('moved');
  const bytes = rows.reduce((total, { length }) => total + length, 0);
  result.movedBytes += bytes;
  result.freedBytes -= bytes;
  return bytes;
}

/** About one step's worth. */
function firstRecords({ writer }: SetStore, pack: number): NamedRecord[] {
  const rows = recordsOf(writer, pack, STEP_RECORDS);
  let bytes = 0;
  const end = rows.findIndex(({ length }) => (bytes += length) >= STEP_BYTES);
  return end < 0 ? rows : rows.slice(0, end + 1);
}
