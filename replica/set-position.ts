/** Where a set stands, for HELLO (R13): its newest point, and the sync under way. */
import { newestChain } from './index/cut.js';
import type { IndexDb } from './index/index-db.js';
import { newestPoint } from './index/nodes.js';
import type { SetPosition } from './receive/set-port.js';
import type { StagedSync } from './stage/staging.js';

interface NewestRow {
  readonly sync: number;
  readonly manifest: Buffer;
  readonly parent_chain: Buffer;
  readonly time_ms: number;
}

interface Received {
  readonly boot: string;
  readonly sequence: number;
}

/** `received` is the newest frame taken by this process. */
export function setPosition(
  index: IndexDb,
  staged: StagedSync | undefined,
  received: Received,
): SetPosition {
  const row = index.get<NewestRow>(
    'SELECT sync, manifest, parent_chain, time_ms FROM point ORDER BY point DESC LIMIT 1',
  );
  const newestSync =
    row === undefined ? null : { sync: row.sync, manifest: row.manifest, timeMs: row.time_ms };
  return {
    point: newestPoint(index),
    chain: newestChain(index),
    parentChain: row?.parent_chain ?? null,
    chainOf: (point) => chainOf(index, point),
    newestSync,
    staged: staged === undefined ? null : stagedPosition(staged, received),
  };
}

function chainOf(index: IndexDb, point: number): Buffer | null {
  const row = index.get<{ chain: Buffer }>('SELECT chain FROM point WHERE point = ?', point);
  return row?.chain ?? null;
}

function stagedPosition(staged: StagedSync, received: Received): SetPosition['staged'] {
  const here = received.boot === staged.boot ? received.sequence : 0;
  return {
    boot: staged.boot,
    sync: staged.sync,
    sealed: staged.sealed,
    ended: staged.ended,
    receivedSequence: Math.max(staged.durable, here),
    durableSequence: staged.durable,
  };
}
