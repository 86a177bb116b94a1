/**
 * Jobs as catalog.db keeps them. Rows are written when a job is asked for, starts and ends, and in
 * between at most once a second by the desk; a kill of the replica loses at most that second.
 */
import Database from 'better-sqlite3';
import type {
  JobKindName,
  JobLogLine,
  JobProgress,
  JobResult,
  JobsQuery,
  JobState,
} from '../../shared/api/jobs.js';
import type { Problem } from '../../shared/api/problem.js';
import { jobSchemaSql } from './schema.js';

/** Newest lines that a job keeps. */
export const LOG_LINES_MAX = 1000;

export interface JobBounds {
  /** Ended jobs kept, the newest. */
  readonly endedMax: number;
  /** Of those, syncs: a continuous set has thousands a day, and its points tell of them. */
  readonly syncsPerSetMax: number;
  /** Ended jobs older than this go, ms. */
  readonly ageMsMax: number;
}

export const defaultBounds: JobBounds = {
  endedMax: 5000,
  syncsPerSetMax: 100,
  ageMsMax: 180 * 24 * 3600 * 1000,
};

export type RequestJson = Readonly<Record<string, unknown>>;

export interface JobRow {
  readonly id: number;
  readonly kind: JobKindName;
  /** '' for the whole replica. */
  readonly set: string;
  readonly by: string;
  readonly request: RequestJson;
  readonly state: JobState;
  readonly createdMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly attempt: number;
  readonly progress: JobProgress | null;
  readonly message: string | null;
  readonly result: JobResult | null;
  readonly problem: Problem | null;
  readonly saved: unknown;
  readonly droppedLines: number;
}

interface StoredRow {
  readonly id: number;
  readonly kind: JobKindName;
  readonly set_name: string;
  readonly asked_by: string;
  readonly request: string;
  readonly state: JobState;
  readonly created_ms: number;
  readonly started_ms: number | null;
  readonly ended_ms: number | null;
  readonly attempt: number;
  readonly progress: string | null;
  readonly message: string | null;
  readonly result: string | null;
  readonly problem: string | null;
  readonly saved: string | null;
  readonly dropped_lines: number;
}

const listColumns = `id, kind, set_name, asked_by, request, state, created_ms, started_ms, ended_ms,
  attempt, progress, message, json_remove(result, '$.planned') AS result, problem, NULL AS saved, dropped_lines`;

export interface ListRequest extends Pick<JobsQuery, 'set' | 'state' | 'kind' | 'limit'> {
  /** Only ids below this. */
  readonly before?: number | undefined;
  /** The sets that the asker may see; null for all, jobs of the whole replica included. */
  readonly sets: readonly string[] | null;
}

export class JobStore {
  readonly #db: Database.Database;

  /** @param file catalog.db, or `:memory:` */
  constructor(file: string) {
    this.#db = new Database(file);
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = NORMAL');
    this.#db.pragma('foreign_keys = ON');
    this.#db.exec(jobSchemaSql);
  }

  add(job: Pick<JobRow, 'kind' | 'set' | 'by' | 'request' | 'createdMs'>): JobRow {
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO job (kind, set_name, asked_by, request, state, created_ms)
         VALUES (?, ?, ?, ?, 'queued', ?)`,
      )
      .run(job.kind, job.set, job.by, JSON.stringify(job.request), job.createdMs);
    return {
      ...job,
      id: Number(lastInsertRowid),
      state: 'queued',
      startedMs: null,
      endedMs: null,
      attempt: 0,
      progress: null,
      message: null,
      result: null,
      problem: null,
      saved: undefined,
      droppedLines: 0,
    };
  }

  get(id: number): JobRow | undefined {
    const row = this.#db.prepare<[number], StoredRow>('SELECT * FROM job WHERE id = ?').get(id);
    return row === undefined ? undefined : toJob(row);
  }

  /** Newest first. What was planned one by one is told of a job alone: it may be 200 KiB of each. */
  list({ set, state, kind, before, sets, limit }: ListRequest): JobRow[] {
    const where = ['id < ?'];
    const values: (string | number)[] = [before ?? Number.MAX_SAFE_INTEGER];
    const among = (column: string, of: readonly string[] | undefined): void => {
      if (of === undefined) return;
      where.push(`${column} IN (SELECT value FROM json_each(?))`);
      values.push(JSON.stringify(of));
    };
    among('set_name', set === undefined ? undefined : [set]);
    among('set_name', sets ?? undefined);
    among('state', state);
    among('kind', kind);
    return this.#db
      .prepare<(string | number)[], StoredRow>(
        `SELECT ${listColumns} FROM job WHERE ${where.join(' AND ')} ORDER BY id DESC LIMIT ?`,
      )
      .all(...values, limit)
      .map(toJob);
  }

  /** Oldest first. */
  open(): JobRow[] {
    return this.#db
      .prepare<[], StoredRow>(`SELECT * FROM job WHERE state IN ('queued', 'running') ORDER BY id`)
      .all()
      .map(toJob);
  }

  /** Everything of a job that changes. */
  update(jobs: Iterable<JobRow>): void {
    const statement = this.#db.prepare(
      `UPDATE job SET state = ?, started_ms = ?, ended_ms = ?, attempt = ?, progress = ?,
              message = ?, result = ?, problem = ?, saved = ? WHERE id = ?`,
    );
    this.#together(() => {
      for (const job of jobs) {
        statement.run(
          job.state,
          job.startedMs,
          job.endedMs,
          job.attempt,
          textOf(job.progress),
          job.message,
          textOf(job.result),
          textOf(job.problem),
          textOf(job.saved),
          job.id,
        );
      }
    });
  }

  /** Number of the newest line of a job, 0 for none. */
  lastLine(id: number): number {
    const row = this.#db
      .prepare<[number], { line: number }>(
        'SELECT coalesce(max(line), 0) AS line FROM job_log WHERE job = ?',
      )
      .get(id);
    return row?.line ?? 0;
  }

  addLines(id: number, lines: readonly JobLogLine[]): void {
    const last = lines.at(-1);
    if (last === undefined) return;
    this.#together(() => {
      const insert = this.#db.prepare(
        'INSERT OR IGNORE INTO job_log (job, line, time_ms, level, text) VALUES (?, ?, ?, ?, ?)',
      );
      for (const { line, timeMs, level, text } of lines) insert.run(id, line, timeMs, level, text);
      const dropped = Math.max(0, last.line - LOG_LINES_MAX);
      if (dropped === 0) return;
      this.#db.prepare('DELETE FROM job_log WHERE job = ? AND line <= ?').run(id, dropped);
      this.#db.prepare('UPDATE job SET dropped_lines = ? WHERE id = ?').run(dropped, id);
    });
  }

  lines(id: number, page: { readonly after: number; readonly limit: number }): JobLogLine[] {
    return this.#db
      .prepare<[number, number, number], JobLogLine>(
        `SELECT line, time_ms AS timeMs, level, text FROM job_log
         WHERE job = ? AND line > ? ORDER BY line LIMIT ?`,
      )
      .all(id, page.after, page.limit);
  }

  /** Drops ended jobs beyond the bounds, with their logs; at most some hundreds at a time. */
  forget({ endedMax, syncsPerSetMax, ageMsMax }: JobBounds, nowMs: number): number {
    const ended = `state NOT IN ('queued', 'running')`;
    return this.#together(() => {
      const { changes: aged } = this.#db
        .prepare(
          `DELETE FROM job WHERE id IN
             (SELECT id FROM job WHERE ${ended} AND ended_ms < ? ORDER BY id LIMIT 500)`,
        )
        .run(nowMs - ageMsMax);
      const { changes: syncs } = this.#db
        .prepare(
          `DELETE FROM job WHERE id IN (SELECT id FROM (
             SELECT id, row_number() OVER (PARTITION BY set_name ORDER BY id DESC) AS nth
             FROM job WHERE kind = 'sync' AND ${ended}) WHERE nth > ? LIMIT 500)`,
        )
        .run(syncsPerSetMax);
      const { changes: counted } = this.#db
        .prepare(
          `DELETE FROM job WHERE id IN
             (SELECT id FROM job WHERE ${ended} ORDER BY id DESC LIMIT 500 OFFSET ?)`,
        )
        .run(endedMax);
      return aged + syncs + counted;
    });
  }

  close(): void {
    this.#db.close();
  }

  #together<T>(work: () => T): T {
    return this.#db.transaction(work).immediate();
  }
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

function toJob(row: StoredRow): JobRow {
  return {
    id: row.id,
    kind: row.kind,
    set: row.set_name,
    by: row.asked_by,
    request: JSON.parse(row.request) as RequestJson,
    state: row.state,
    createdMs: row.created_ms,
    startedMs: row.started_ms,
    endedMs: row.ended_ms,
    attempt: row.attempt,
    progress: parsed(row.progress) as JobProgress | null,
    message: row.message,
    result: parsed(row.result) as JobResult | null,
    problem: parsed(row.problem) as Problem | null,
    saved: parsed(row.saved) ?? undefined,
    droppedLines: row.dropped_lines,
  };
}

/** Written by this process or an older one of the same shapes. */
function parsed(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
