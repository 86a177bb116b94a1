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
  until_ms INTEGER NOT NULL
) STRICT;
`;

export class UndoHolds {
  readonly #db: Database.Database;
  readonly #deps: { readonly retention: Retention; readonly clock: Clock; readonly log: Log };
  readonly #timer: NodeJS.Timeout;

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
    this.#timer = setInterval(() => {
      this.releaseOld();
    }, LOOK_MS).unref();
  }

  /** Holds a point; returns the hold's name. Both are on disk when this returns. */
  hold(request: {
    readonly set: string;
    readonly point: number;
    readonly reason: string;
    readonly untilMs: number;
  }): string {
    const { set, point, reason, untilMs } = request;
    const { hold } = this.#deps.retention.hold({ set, point, reason });
    this.#db.prepare('INSERT OR REPLACE INTO undo_hold VALUES (?, ?)').run(hold, untilMs);
    return hold;
  }

  /** Releases holds whose days are over; called by itself every hour. */
  releaseOld(): void {
    const { retention, clock, log } = this.#deps;
    const old = this.#db
      .prepare<[number], { hold: string }>('SELECT hold FROM undo_hold WHERE until_ms <= ?')
      .all(clock.now());
    for (const { hold } of old) {
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

  close(): void {
    clearInterval(this.#timer);
    this.#db.close();
  }
}
