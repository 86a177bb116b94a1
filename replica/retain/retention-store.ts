/**
 * Policies, holds and the last run of each set, in the replica's catalog. Only operators write here:
 * nothing an agent sends leads to it (promise 7).
 */
import Database from 'better-sqlite3';
import {
  type HoldJson,
  type Policy,
  policySchema,
  type PruneResultJson,
  pruneResultSchema,
} from '../../shared/api/retention.js';
import { retentionSchema } from './schema.js';

export interface StoredPolicy {
  readonly policy: Policy;
  readonly setMs: number;
}

export interface StoredRun extends PruneResultJson {
  readonly timeMs: number;
}

const holdColumns = `'hold-' || id AS hold, set_name AS "set", point, reason, time_ms AS timeMs`;

export class RetentionStore {
  readonly #db: Database.Database;

  /** @param file catalog.db, or `:memory:` */
  constructor(file: string) {
    this.#db = new Database(file);
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = FULL');
    this.#db.exec(retentionSchema);
  }

  policy(set: string): StoredPolicy | undefined {
    const row = this.#db
      .prepare<[string], { policy: string; setMs: number }>(
        'SELECT policy, set_ms AS setMs FROM retention_policy WHERE set_name = ?',
      )
      .get(set);
    if (row === undefined) return undefined;
    return { policy: policySchema.parse(JSON.parse(row.policy)), setMs: row.setMs };
  }

  /** Null keeps every point from now on. */
  setPolicy(set: string, policy: Policy | null, timeMs: number): void {
    if (policy === null) {
      this.#db.prepare('DELETE FROM retention_policy WHERE set_name = ?').run(set);
      return;
    }
    this.#db
      .prepare(
        'INSERT OR REPLACE INTO retention_policy (set_name, policy, set_ms) VALUES (?, ?, ?)',
      )
      .run(set, JSON.stringify(policy), timeMs);
  }

  lastRun(set: string): StoredRun | undefined {
    const row = this.#db
      .prepare<[string], { timeMs: number; result: string }>(
        'SELECT time_ms AS timeMs, result FROM retention_run WHERE set_name = ?',
      )
      .get(set);
    if (row === undefined) return undefined;
    return { ...pruneResultSchema.parse(JSON.parse(row.result)), timeMs: row.timeMs };
  }

  noteRun(set: string, { timeMs, ...result }: StoredRun): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO retention_run (set_name, time_ms, result) VALUES (?, ?, ?)')
      .run(set, timeMs, JSON.stringify(result));
  }

  /** Oldest first. */
  holds(set: string): HoldJson[] {
    return this.#db
      .prepare<[string], HoldJson>(
        `SELECT ${holdColumns} FROM point_hold WHERE set_name = ? ORDER BY id`,
      )
      .all(set);
  }

  isHeld(set: string, point: number): boolean {
    return (
      this.#db
        .prepare('SELECT 1 FROM point_hold WHERE set_name = ? AND point = ?')
        .get(set, point) !== undefined
    );
  }

  /** On disk when this returns. */
  hold(request: Omit<HoldJson, 'hold'>): HoldJson {
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO point_hold (set_name, point, reason, time_ms) VALUES (?, ?, ?, ?)')
      .run(request.set, request.point, request.reason, request.timeMs);
    return { hold: `hold-${lastInsertRowid}`, ...request };
  }

  /** The holds that were released; none when there is no such one. */
  release(
    which: { readonly hold: string } | { readonly set: string; readonly point: number },
  ): HoldJson[] {
    return 'hold' in which
      ? this.#db
          .prepare<[string], HoldJson>(
            `DELETE FROM point_hold WHERE 'hold-' || id = ? RETURNING ${holdColumns}`,
          )
          .all(which.hold)
      : this.#db
          .prepare<[string, number], HoldJson>(
            `DELETE FROM point_hold WHERE set_name = ? AND point = ? RETURNING ${holdColumns}`,
          )
          .all(which.set, which.point);
  }

  close(): void {
    this.#db.close();
  }
}
