/**
 * Holds on the points that take restores back: kept until somebody releases them, or so many days.
 * The table lies beside the holds it is about, in catalog.db.
 */
import Database from 'better-sqlite3';
import type { Clock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { Retention } from '../retain/retention.js';

const LOOK_MS = 3600 * 1000;

const schema = `
CREATE TABLE IF NOT EXISTS undo_hold (
  -- as retention names it
  hold TEXT PRIMARY KEY,
  -- when it is released by itself, ms since the epoch
  until_ms INTEGER NOT NULL,
  -- the restore that it takes back
  job TEXT,
  set_name TEXT,
  point INTEGER
) STRICT;
`;
const laterColumns = ['job TEXT', 'set_name TEXT', 'point INTEGER'];

export interface UndoPoint {
  readonly set: string;
  readonly point: number;
  /** As retention names it. */
  readonly hold: string;
}

export class UndoHolds {
  readonly #db: Database.Database;
  readonly #deps: { readonly retention: Retention; readonly clock: Clock; readonly log: Log };
  readonly #timer: NodeJS.Timeout;
  readonly #running = new Set<string>();

  /** @param file catalog.db, or `:memory:` */
  constructor(
    file: string,
    deps: { readonly retention: Retention; readonly clock: Clock; readonly log: Log },
  ) {
    this.#deps = deps;
    this.#db = new Database(file);
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = FULL');
    this.#db.exec(schema);
    this.#addColumns();
    this.#timer = setInterval(() => {
      this.releaseOld();
    }, LOOK_MS).unref();
  }

  /** Holds a point for a job; returns the hold's name. Both are on disk when this returns. */
  hold(request: {
    readonly set: string;
    readonly point: number;
    readonly job: string;
    readonly reason: string;
    readonly untilMs: number;
  }): string {
    const { set, point, job, reason, untilMs } = request;
    const { hold } = this.#deps.retention.hold({ set, point, reason });
    this.#db
      .prepare(
        'INSERT OR REPLACE INTO undo_hold (hold, until_ms, job, set_name, point) VALUES (?, ?, ?, ?, ?)',
      )
      .run(hold, untilMs, job, set, point);
    return hold;
  }

  /** The first point held for a job that is held still: what was there before it wrote anything. */
  of(job: string): UndoPoint | undefined {
    return this.#db
      .prepare<[string], UndoPoint>(
        `SELECT set_name AS "set", point, hold FROM undo_hold WHERE job = ? ORDER BY point`,
      )
      .all(job)
      .find(({ set, hold }) => this.#deps.retention.holds(set).some((each) => each.hold === hold));
  }

  /** Nothing held for the job is released by itself until `done` is called; from then on so many days. */
  keepFor(job: string): { done(untilMs: number): void } {
    this.#running.add(job);
    return {
      done: (untilMs) => {
        this.#running.delete(job);
        this.#db
          .prepare('UPDATE undo_hold SET until_ms = max(until_ms, ?) WHERE job = ?')
          .run(untilMs, job);
      },
    };
  }

  /** Releases holds whose days are over; called by itself every hour. */
  releaseOld(): void {
    const { retention, clock, log } = this.#deps;
    const old = this.#db
      .prepare<[number], { hold: string; job: string | null }>(
        'SELECT hold, job FROM undo_hold WHERE until_ms <= ?',
      )
      .all(clock.now());
    for (const { hold, job } of old) {
      if (job !== null && this.#running.has(job)) continue;
      try {
        retention.release({ hold });
      } catch (error) {
        // Somebody has released it before.
        const isGone = error instanceof AfterimageError && error.code === 'not-found';
        if (!isGone) {
          log.error('the hold of an undo point could not be released', error, { hold });
          continue;
        }
      }
      this.#db.prepare('DELETE FROM undo_hold WHERE hold = ?').run(hold);
    }
  }

  /** A table of before it named jobs. */
  #addColumns(): void {
    const known = this.#db.pragma('table_info(undo_hold)') as { readonly name: string }[];
    for (const column of laterColumns) {
      const name = column.slice(0, column.indexOf(' '));
      if (known.some((each) => each.name === name)) continue;
      this.#db.exec(`ALTER TABLE undo_hold ADD COLUMN ${column}`);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#db.close();
  }
}
