/**
 * One sync of one set on the replica, from its last frame to its point, on one screen:
 *
 *   frames → Staging (bytes into `new/` and the intent, a row for each thing said)
 *   → seal: names form a tree, every block is what the agent says on top of the parent point,
 *     what is overwritten is archived; all of it on disk → the agent may forget its image
 *   → transaction A: from here on only redo
 *   → park, place, patch, attic, times; on disk
 *   → transaction B: the point → names searchable → the intent is dropped
 *
 * Every step may be entered again after a failure or a crash; `SetWriter` decides when.
 */
import type { Clock } from '../shared/clock.js';
import { AfterimageError, asAfterimageError, messageOf } from '../shared/errors.js';
import type { HashCore } from '../shared/hash/hash-core.js';
import type { Log } from '../shared/log.js';
import type { Posix } from '../shared/posix/posix.js';
import { countStage, Stage } from '../shared/stages.js';
import { TimeSlice } from '../shared/time-slice.js';
import { applySync, beginApply } from './apply/apply.js';
import type { SetStore } from './history/set-store.js';
import type { CutPoint } from './index/cut.js';
import { indexNames } from './index/names.js';
import { newestPoint } from './index/nodes.js';
import type { SyncLooks } from './observe/mass-watch.js';
import type { KnownBlocks } from './stage/known-blocks.js';
import { planNames } from './stage/plan-names.js';
import { sealContent, type Want } from './stage/seal-content.js';
import { checkEntries, TwoTrees } from './stage/seal-tree.js';
import type { Staging } from './stage/staging.js';

export interface PipelineDeps {
  readonly store: SetStore;
  readonly core: HashCore;
  readonly posix: Posix;
  readonly clock: Clock;
  readonly log: Log;
  readonly known: KnownBlocks;
  /** Flushes the file system of the set. */
  readonly flushAll: () => Promise<void>;
  /** Who looks for what is unusual in syncs; nobody unless told. */
  readonly looks?: SyncLooks | undefined;
}

/**
 * Checks the sync against the state it applies to and makes it durable (R19).
 * Returns the blocks that do not come out as the agent says; none: it is sealed.
 * @throws AfterimageError `record-refused` for a sync that cannot be, storage errors to be tried again
 */
export async function sealSync(deps: PipelineDeps, staging: Staging): Promise<readonly Want[]> {
  // The writer's own connection: a reader's view may lag behind while somebody iterates on it.
  const { writer: index, source } = deps.store;
  const parentPoint = newestPoint(index);
  const slice = new TimeSlice();
  const start = performance.now();
  const { intent, newFiles, pages } = staging;
  const tree = { index, intent, trees: new TwoTrees(index, intent, parentPoint), slice };
  staging.commitRows();
  intent.db.exec('BEGIN');
  await checkEntries(tree);
  await planNames(tree);
  const wants = await sealContent({
    intent,
    newFiles,
    pages,
    source,
    known: deps.known,
    parentPoint,
    slice,
  });
  staging.commitRows();
  staging.checkAllowance();
  countStage(Stage.check, start);
  if (wants.length === 0) {
    await deps.looks?.whole(staging);
    await flushIntent(deps, staging);
  }
  return wants;
}

/**
 * A flush that failed has dropped the bytes, and its retry would lie (R19): the sync is taken again
 * from the agent.
 */
async function flushIntent(deps: PipelineDeps, staging: Staging): Promise<void> {
  const start = performance.now();
  try {
    if (!staging.flushIfSmall()) await deps.flushAll();
    countStage(Stage.flush, start);
  } catch (cause) {
    throw flushFailed(cause);
  }
}

/** Notes on disk that the sync is sealed. Rows of the intent before it are as lost as any bytes (R19). */
export function markSealed(staging: Staging): ReturnType<Staging['markSealed']> {
  try {
    return staging.markSealed();
  } catch (cause) {
    throw asAfterimageError(cause).code === 'storage-failed' ? flushFailed(cause) : cause;
  }
}

export function flushFailed(cause: unknown): AfterimageError {
  return new AfterimageError(
    'flush-failed',
    `the disk did not take what was received: ${messageOf(cause)}`,
    { cause },
  );
}

/** Transaction A. */
export function startApplying({ store }: PipelineDeps, staging: Staging): void {
  const point = newestPoint(store.writer) + 1;
  beginApply({ index: store.writer, intent: staging.intent }, { point, packs: store.packs });
}

/** From transaction A to transaction B, or again after a crash in between. */
export async function applyToPoint(deps: PipelineDeps, staging: Staging): Promise<CutPoint> {
  const { store } = deps;
  store.applying = true;
  const start = performance.now();
  try {
    const cut = await applySync({
      ...deps,
      setFolder: store.folder,
      index: store.writer,
      intent: staging.intent,
      pages: staging.pages,
      setPending: (names) => {
        store.source.bodies.setPending(names);
      },
    });
    store.source.bodies.setPending(undefined);
    countStage(Stage.apply, start);
    return cut;
  } finally {
    // Stalled, nothing moves: what a reader does not find now it need not wait for.
    store.applying = false;
  }
}

/** After the cut: makes the point's new names searchable. What fails here is done at the next start. */
export async function makeSearchable(
  { store, log }: PipelineDeps,
  point: number,
  staging: Staging,
): Promise<void> {
  try {
    await indexNames(store.writer, point, staging.intent);
  } catch (error) {
    log.error('names are not searchable yet; find reads all of them until the next start', error, {
      set: store.set,
    });
  }
}
