/**
 * What has to be certified, kept in the set's index until the catalog has it. A row is written in the
 * transaction that cuts or removes the points, so that a crash neither loses a certificate nor makes
 * two: `Certifier` moves rows into the catalog afterwards, and at start whatever a crash left.
 */
import { randomBytes } from 'node:crypto';
import { invariant } from '../../shared/errors.js';
import { type PointFacts, type RemovalFacts, toRanges } from '../../shared/certificate/facts.js';
import { syncOutcomeSchema } from '../../shared/protocol/sync-outcome.js';
import type { IndexDb } from '../index/index-db.js';

/** A row of `certificate_due`. */
export interface DueRow {
  readonly id: number;
  readonly origin: Buffer;
  readonly facts: string;
}

export interface NewPoint {
  readonly point: number;
  readonly timeMs: number;
  readonly digest: Buffer;
  readonly chain: Buffer;
  /** What the agent said when the sync ended, JSON. */
  readonly outcome: string;
  readonly files: number;
  readonly bytes: number;
}

export interface PointRemoval {
  /** The points that this transaction removes; at least one. */
  readonly points: readonly number[];
  /** The policy that asks for it, as a reader of the configuration would write it. */
  readonly policy: string;
  /** Who: `schedule`, or the operator's name or door (`api`, `cli`). */
  readonly by: string;
  /** Replica's clock, ms since the epoch. */
  readonly timeMs: number;
}

/**
 * Says that points go because a policy says so. **Call it inside the transaction, on the writer's
 * connection, that deletes their rows of `point`**: then either both happened or neither. It also
 * deletes their rows of `point_digest`; nothing else of the digest changes, because the newest point
 * stays (R4). One call for one decision of one policy, however many points it removes.
 *
 * The signed entry is written to the catalog afterwards: by `SetStore.certify()`, to be called when
 * the transaction is committed and the set's lock still held, else when the set is opened next.
 * A removal without this call shows as a gap: `certificate verify` and `verify` name the points.
 */
export function recordRemoval(index: IndexDb, removal: PointRemoval): void {
  invariant(index.db.inTransaction, 'a removal is recorded in the transaction that removes');
  invariant(removal.points.length > 0, 'a removal names points');
  const { points, policy, by, timeMs } = removal;
  for (const point of points) index.run('DELETE FROM point_digest WHERE point = ?', point);
  addDue(index, { kind: 'removal', points: toRanges(points), policy, by, timeMs });
}

/** Says that a point was cut; in the transaction that cut it. */
export function duePoint(index: IndexDb, cut: NewPoint): void {
  const { consistency, recipe, heldMs } = syncOutcomeSchema.parse(JSON.parse(cut.outcome));
  addDue(index, {
    kind: 'point',
    point: cut.point,
    parent: cut.point - 1,
    timeMs: cut.timeMs,
    digest: cut.digest.toString('hex'),
    chain: cut.chain.toString('hex'),
    consistency,
    recipe,
    heldMs,
    files: cut.files,
    bytes: cut.bytes,
    checked: [{ check: 'seal', timeMs: cut.timeMs, findings: 0 }],
  });
}

function addDue(index: IndexDb, facts: PointFacts | RemovalFacts): void {
  index.run(
    'INSERT INTO certificate_due (origin, facts) VALUES (?, ?)',
    randomBytes(16),
    JSON.stringify(facts),
  );
}

/** In the order in which they happened. */
export function dueRows(index: IndexDb): DueRow[] {
  return index.all<DueRow>('SELECT id, origin, facts FROM certificate_due ORDER BY id');
}

export function dropDue(index: IndexDb, rows: readonly DueRow[]): void {
  for (const { id } of rows) index.run('DELETE FROM certificate_due WHERE id = ?', id);
}
