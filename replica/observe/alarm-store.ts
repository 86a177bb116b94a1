/**
 * Alarms and what is remembered for them, in the replica's catalog: they outlive restarts, as do the
 * holds that they made.
 */
import Database from 'better-sqlite3';
import {
  acknowledgedSchema,
  alarmFactsSchema,
  type AlarmJson,
  type AlarmKind,
  type AlarmSeverity,
} from '../../shared/api/alarms.js';
import { freshMassState, type MassState, massStateSchema } from './mass-change.js';

const schema = `
CREATE TABLE IF NOT EXISTS alarm (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- null: of the whole replica
  set_name TEXT,
  kind TEXT NOT NULL,
  severity TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  -- null: open
  until_ms INTEGER,
  text TEXT NOT NULL,
  -- JSON, shared/api/alarms.ts
  facts TEXT NOT NULL,
  acknowledged TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS alarm_open ON alarm (kind, set_name) WHERE until_ms IS NULL;
-- what earlier syncs of a set did, JSON
CREATE TABLE IF NOT EXISTS mass_change (set_name TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- the newest look at the points of a set by each way of looking
CREATE TABLE IF NOT EXISTS last_check (
  set_name TEXT NOT NULL,
  -- verify or scrub
  by TEXT NOT NULL,
  point INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  findings INTEGER NOT NULL,
  PRIMARY KEY (set_name, by)
) STRICT, WITHOUT ROWID;
`;

/** Older ones that are over are forgotten. */
const ALARMS_KEPT = 10_000;

interface AlarmRow {
  readonly id: number;
  readonly set_name: string | null;
  readonly kind: AlarmKind;
  readonly severity: AlarmSeverity;
  readonly since_ms: number;
  readonly until_ms: number | null;
  readonly text: string;
  readonly facts: string;
  readonly acknowledged: string | null;
}

export interface AlarmFilter {
  readonly set?: string | undefined;
  /** Of these sets, and of the whole replica; all when null or left out. */
  readonly sets?: readonly string[] | null;
  readonly kind?: AlarmKind | undefined;
  readonly isOpen?: boolean;
  /** Only numbers below. */
  readonly before?: number | undefined;
  readonly limit: number;
}

/** The newest look at points of a set; `point` is the newest of them. */
export interface CheckNote {
  readonly by: 'verify' | 'scrub';
  readonly point: number;
  readonly timeMs: number;
  readonly findings: number;
}

export class AlarmStore {
  readonly #db: Database.Database;

  /** @param file catalog.db, or `:memory:` */
  constructor(file: string) {
    this.#db = new Database(file);
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = FULL');
    this.#db.exec(schema);
  }

  /** On disk when this returns. */
  add(alarm: Omit<AlarmJson, 'id' | 'untilMs' | 'acknowledged'>): AlarmJson {
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO alarm (set_name, kind, severity, since_ms, text, facts) VALUES (?, ?, ?, ?, ?, ?)`,
      )
      .run(
        alarm.set,
        alarm.kind,
        alarm.severity,
        alarm.sinceMs,
        alarm.text,
        JSON.stringify(alarm.facts),
      );
    this.#db
      .prepare('DELETE FROM alarm WHERE until_ms IS NOT NULL AND id <= ?')
      .run(Number(lastInsertRowid) - ALARMS_KEPT);
    return { id: `alarm-${lastInsertRowid}`, ...alarm, untilMs: null, acknowledged: null };
  }

  /** Writes an alarm anew; its number, set and kind stay. */
  update(alarm: AlarmJson): void {
    this.#db
      .prepare(
        'UPDATE alarm SET severity = ?, until_ms = ?, text = ?, facts = ?, acknowledged = ? WHERE id = ?',
      )
      .run(
        alarm.severity,
        alarm.untilMs,
        alarm.text,
        JSON.stringify(alarm.facts),
        alarm.acknowledged === null ? null : JSON.stringify(alarm.acknowledged),
        numberOf(alarm.id),
      );
  }

  get(id: string): AlarmJson | undefined {
    const row = this.#db
      .prepare<[number], AlarmRow>('SELECT * FROM alarm WHERE id = ?')
      .get(numberOf(id));
    return row === undefined ? undefined : toAlarm(row);
  }

  open(kind: AlarmKind, set: string | null): AlarmJson | undefined {
    const row = this.#db
      .prepare<[AlarmKind, string | null], AlarmRow>(
        'SELECT * FROM alarm WHERE kind = ? AND set_name IS ? AND until_ms IS NULL',
      )
      .get(kind, set);
    return row === undefined ? undefined : toAlarm(row);
  }

  /** Newest first. */
  list({ set, sets, kind, isOpen, before, limit }: AlarmFilter): AlarmJson[] {
    const rows = this.#db
      .prepare<unknown[], AlarmRow>(
        `SELECT * FROM alarm WHERE id < ? AND (? IS NULL OR set_name = ?) AND (? IS NULL OR kind = ?)
         AND (? IS NULL OR set_name IS NULL OR set_name IN (SELECT value FROM json_each(?)))
         AND (? = 0 OR until_ms IS NULL) ORDER BY id DESC LIMIT ?`,
      )
      .all(
        before ?? Number.MAX_SAFE_INTEGER,
        set ?? null,
        set ?? null,
        kind ?? null,
        kind ?? null,
        ...(sets === undefined || sets === null
          ? [null, null]
          : [JSON.stringify(sets), JSON.stringify(sets)]),
        isOpen === true ? 1 : 0,
        limit,
      );
    return rows.map(toAlarm);
  }

  massState(set: string): MassState {
    const row = this.#db
      .prepare<[string], { state: string }>('SELECT state FROM mass_change WHERE set_name = ?')
      .get(set);
    if (row === undefined) return freshMassState;
    const known = massStateSchema.safeParse(JSON.parse(row.state));
    return known.success ? known.data : freshMassState;
  }

  setMassState(set: string, state: MassState): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO mass_change (set_name, state) VALUES (?, ?)')
      .run(set, JSON.stringify(state));
  }

  /** Only what was looked at later takes the place of what is known. */
  noteCheck(set: string, { by, point, timeMs, findings }: CheckNote): void {
    this.#db
      .prepare(
        `INSERT INTO last_check (set_name, by, point, time_ms, findings) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET point = excluded.point, time_ms = excluded.time_ms,
           findings = excluded.findings + iif(time_ms = excluded.time_ms, findings, 0)`,
      )
      .run(set, by, point, timeMs, findings);
  }

  checks(set: string): CheckNote[] {
    return this.#db
      .prepare<[string], CheckNote>(
        `SELECT by, point, time_ms AS timeMs, findings FROM last_check WHERE set_name = ?
         ORDER BY time_ms DESC`,
      )
      .all(set);
  }

  close(): void {
    this.#db.close();
  }
}

/** 0 for what is no alarm's name. */
export function numberOf(id: string): number {
  return Number(/^alarm-(\d{1,15})$/.exec(id)?.[1] ?? 0);
}

function toAlarm(row: AlarmRow): AlarmJson {
  return {
    id: `alarm-${row.id}`,
    set: row.set_name,
    kind: row.kind,
    severity: row.severity,
    sinceMs: row.since_ms,
    untilMs: row.until_ms,
    text: row.text,
    facts: alarmFactsSchema.parse(JSON.parse(row.facts)),
    acknowledged:
      row.acknowledged === null ? null : acknowledgedSchema.parse(JSON.parse(row.acknowledged)),
  };
}
