/**
 * What scrubbing remembers of a set, in `scrub.db` beside its index: where the round under way
 * is, how rounds ended, and what is damaged now. Losing the file loses no data: the next round
 * finds the same again.
 */
import path from 'node:path';
import type { IndexDb } from '../index/index-db.js';
import { LIVE } from '../index/schema.js';
import { isForeign, openAnew, removeDatabase } from './open-anew.js';

/** Stages of a round, in order. */
export const scrubStages = ['index', 'tree', 'content'] as const;
export type ScrubStage = (typeof scrubStages)[number];

/** Where a round is: the next thing to look at. */
export interface ScrubCursor {
  readonly stage: ScrubStage;
  /** In stage `tree` the folder's node, in stage `content` the body. */
  readonly at: number;
  readonly block: number;
}

export interface ScrubRoundRow {
  readonly number: number;
  readonly startedMs: number;
  /** Null while the round is under way. */
  readonly endedMs: number | null;
  readonly bytes: number;
  readonly found: number;
  readonly repaired: number;
}

/** A stored version of a block that does not come out as its digest. */
export interface DamageRow {
  readonly body: number;
  readonly block: number;
  /** Last point of the version; `LIVE` for the newest content. */
  readonly hi: number;
  readonly from: number;
  readonly to: number;
  readonly digest: Buffer;
  readonly foundMs: number;
  /** When the agent was last asked for it; null when it was not. */
  readonly askedMs: number | null;
}

/** What contradicts itself in the index, or stands in the base and should not. */
export interface FindingRow {
  /** `point`: nothing of the point can be trusted, and none of it is read. */
  readonly kind: 'index' | 'tree' | 'point';
  readonly point: number | null;
  readonly path: string | null;
  readonly message: string;
}

const schema = `
CREATE TABLE IF NOT EXISTS round (
  number INTEGER PRIMARY KEY,
  started_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  stage TEXT NOT NULL,
  at INTEGER NOT NULL,
  block INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  found INTEGER NOT NULL,
  repaired INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS damage (
  body INTEGER NOT NULL,
  block INTEGER NOT NULL,
  hi INTEGER NOT NULL,
  from_point INTEGER NOT NULL,
  to_point INTEGER NOT NULL,
  digest BLOB NOT NULL,
  found_ms INTEGER NOT NULL,
  asked_ms INTEGER,
  round INTEGER NOT NULL,
  PRIMARY KEY (body, block, hi)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS finding (
  round INTEGER NOT NULL,
  kind TEXT NOT NULL,
  point INTEGER,
  path TEXT,
  message TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
`;
/** In the set's folder. */
export const SCRUB_FILE = 'scrub.db';
const VERSION = 1;
/** Findings kept of one round; more are counted by the log. */
const FINDINGS_MAX = 1000;
const damageColumns =
  'body, block, hi, from_point AS "from", to_point AS "to", digest, found_ms AS foundMs, asked_ms AS askedMs';
const roundColumns = 'number, started_ms AS startedMs, ended_ms AS endedMs, bytes, found, repaired';

export class ScrubDb {
  readonly #file: string;
  #db: IndexDb;

  constructor(setFolder: string) {
    this.#file = path.join(setFolder, SCRUB_FILE);
    this.#db = openAnew(this.#file, { schema, version: VERSION, checked: true });
  }

  /** Whether it does not read as a database any more. */
  get isBroken(): boolean {
    try {
      this.#db.db.pragma('shrink_memory'); // what is in memory says nothing of the file
      return this.#db.db.pragma('quick_check(1)', { simple: true }) !== 'ok';
    } catch (error) {
      if (isForeign(error)) return true;
      throw error;
    }
  }

  /** Begins anew, after the file turned out to be broken. */
  renew(): void {
    this.#db.close();
    removeDatabase(this.#file);
    this.#db = openAnew(this.#file, { schema, version: VERSION });
  }

  /** The round under way, with its cursor. */
  get current(): (ScrubRoundRow & { readonly cursor: ScrubCursor }) | undefined {
    const row = this.#db.get<ScrubRoundRow & ScrubCursor>(
      `SELECT ${roundColumns}, stage, at, block FROM round WHERE ended_ms IS NULL`,
    );
    if (row === undefined) return undefined;
    const { stage, at, block, ...round } = row;
    return { ...round, cursor: { stage, at, block } };
  }

  /** The last round that came to its end. */
  get last(): ScrubRoundRow | undefined {
    return this.#db.get<ScrubRoundRow>(
      `SELECT ${roundColumns} FROM round WHERE ended_ms IS NOT NULL ORDER BY number DESC LIMIT 1`,
    );
  }

  /** Versions found damaged and repaired, since the set is scrubbed. */
  get totals(): { readonly found: number; readonly repaired: number } {
    const row = this.#db.get<{ found: number | null; repaired: number | null }>(
      'SELECT sum(found) AS found, sum(repaired) AS repaired FROM round',
    );
    return { found: row?.found ?? 0, repaired: row?.repaired ?? 0 };
  }

  get paused(): boolean {
    return this.#db.get("SELECT 1 FROM meta WHERE key = 'paused' AND value = 1") !== undefined;
  }

  setPaused(paused: 0 | 1): void {
    this.#db.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('paused', ?)", paused);
  }

  begin(startedMs: number): void {
    const number = (this.last?.number ?? 0) + 1;
    this.#db.run(
      `INSERT INTO round (number, started_ms, stage, at, block, bytes, found, repaired)
       VALUES (?, ?, 'index', 0, 0, 0, 0, 0)`,
      number,
      startedMs,
    );
  }

  /** Notes how far the round is; `bytes` were read since the last time. */
  advance(cursor: ScrubCursor, bytes: number): void {
    this.#db.run(
      'UPDATE round SET stage = ?, at = ?, block = ?, bytes = bytes + ? WHERE ended_ms IS NULL',
      cursor.stage,
      cursor.at,
      cursor.block,
      bytes,
    );
  }

  /** The round is over: damage and findings that it did not meet again are gone. */
  end(endedMs: number): void {
    const { current } = this;
    if (current === undefined) return;
    this.#db.db.transaction(() => {
      this.#db.run('DELETE FROM damage WHERE round < ?', current.number);
      this.#db.run('DELETE FROM finding WHERE round < ?', current.number);
      this.#db.run('UPDATE round SET ended_ms = ? WHERE number = ?', endedMs, current.number);
    })();
  }

  /** Counts what was found and put right apart from blocks. */
  count({ found, repaired }: { readonly found: number; readonly repaired: number }): void {
    const sql =
      'UPDATE round SET found = found + ?, repaired = repaired + ? WHERE ended_ms IS NULL';
    this.#db.run(sql, found, repaired);
  }

  /** What is damaged now, by body and block. */
  damage(limit: number): DamageRow[] {
    return this.#db.all<DamageRow>(
      `SELECT ${damageColumns} FROM damage ORDER BY body, block, hi LIMIT ?`,
      limit,
    );
  }

  damageOf(at: { readonly body: number; readonly block: number }): DamageRow[] {
    return this.#db.all<DamageRow>(
      `SELECT ${damageColumns} FROM damage WHERE body = ? AND block = ?`,
      at.body,
      at.block,
    );
  }

  get damagedCount(): number {
    return this.#db.get<{ n: number }>('SELECT count(*) AS n FROM damage')?.n ?? 0;
  }

  /** Replaces what is known of a block by what is left of it, and counts what changed. */
  settle(
    at: { readonly body: number; readonly block: number },
    outcome: {
      readonly left: readonly DamageRow[];
      readonly found: number;
      readonly repaired: number;
    },
  ): void {
    this.#db.db.transaction(() => {
      const round = this.current?.number ?? this.last?.number ?? 0;
      this.#db.run('DELETE FROM damage WHERE body = ? AND block = ?', at.body, at.block);
      for (const row of outcome.left) {
        this.#db.run(
          'INSERT INTO damage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
          row.body,
          row.block,
          row.hi,
          row.from,
          row.to,
          row.digest,
          row.foundMs,
          row.askedMs,
          round,
        );
      }
      this.#db.run(
        'UPDATE round SET found = found + ?, repaired = repaired + ? WHERE number = ?',
        outcome.found,
        outcome.repaired,
        round,
      );
    })();
  }

  get wantedCount(): number {
    const sql = 'SELECT count(*) AS n FROM damage WHERE asked_ms > 0';
    return this.#db.get<{ n: number }>(sql)?.n ?? 0;
  }

  /** Newest contents that the agent was not asked for since `beforeMs`. */
  toAsk(beforeMs: number, limit: number): DamageRow[] {
    return this.#db.all<DamageRow>(
      `SELECT ${damageColumns} FROM damage
       WHERE hi = ${LIVE} AND (asked_ms IS NULL OR (asked_ms > 0 AND asked_ms < ?)) LIMIT ?`,
      beforeMs,
      limit,
    );
  }

  /** Blocks that the agent was asked for. */
  askedBlocks(limit: number): { readonly body: number; readonly block: number }[] {
    return this.#db.all<{ body: number; block: number }>(
      'SELECT DISTINCT body, block FROM damage WHERE asked_ms > 0 LIMIT ?',
      limit,
    );
  }

  asked(row: DamageRow, askedMs: number): void {
    this.#db.run(
      'UPDATE damage SET asked_ms = ? WHERE body = ? AND block = ? AND hi = ?',
      askedMs,
      row.body,
      row.block,
      row.hi,
    );
  }

  /** Of the newest round that has any, and points that are not read, whenever that was found. */
  findings(): FindingRow[] {
    return this.#db.all<FindingRow>(
      `SELECT kind, point, path, message FROM finding
       WHERE kind = 'point' OR round = (SELECT max(round) FROM finding)`,
    );
  }

  addFinding(finding: FindingRow): void {
    const round = this.current?.number ?? 0;
    const known = this.#db.get<{ n: number }>(
      'SELECT count(*) AS n FROM finding WHERE round = ?',
      round,
    );
    if (finding.kind !== 'point' && (known?.n ?? 0) >= FINDINGS_MAX) return;
    this.#db.run(
      'INSERT INTO finding (round, kind, point, path, message) VALUES (?, ?, ?, ?, ?)',
      round,
      finding.kind,
      finding.point,
      finding.path,
      finding.message,
    );
  }

  /** Forgets the findings of the round under way, which looks again; of points, see below. */
  clearFindings(): void {
    const sql = "DELETE FROM finding WHERE round = ? AND kind <> 'point'";
    this.#db.run(sql, this.current?.number ?? 0);
  }

  /** Points were looked at again: only then, so that a crash meanwhile lets none of them be read. */
  clearPoints(): void {
    this.#db.run("DELETE FROM finding WHERE kind = 'point'");
  }

  close(): void {
    this.#db.close();
  }
}
