/**
 * The audit: an entry for everything an operator asked for, in a chain of digests, in a table that only
 * grows. Its newest digest is also noted in a file beside it, so that an end that was cut off is
 * noticed too.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { z } from 'zod';
import type { AuditAnswer, AuditEntry } from '../../shared/api/audit.js';
import { auditDigest, NO_AUDIT_DIGEST } from '../../shared/audit/audit-chain.js';
import type { Clock } from '../../shared/clock.js';
import { errnoOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';

export type NewAuditEntry = Omit<AuditEntry, 'id' | 'timeMs' | 'digest'>;

export interface AuditFilter {
  readonly who?: string | undefined;
  readonly action?: string | undefined;
  readonly set?: string | undefined;
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

export interface AuditHead {
  readonly id: number;
  readonly digest: string;
}

/** Entries that could not be written yet: the disk is full, say. Older ones are dropped, and counted. */
const WAITING_MAX = 1000;
const PAGE = 500;
export const DETAIL_LENGTH_MAX = 500;
const headSchema = z.object({ id: z.number().int(), digest: z.string() });

const COLUMNS = `id, time_ms AS timeMs, who, role, address, action, set_name AS "set", point, detail,
  status, code, digest`;

export class AuditLog {
  readonly #db: Database.Database;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #headFile: string | undefined;
  #waiting: (NewAuditEntry & { readonly timeMs: number })[] = [];
  #dropped = 0;

  /** `headFile`: where the newest digest is noted; nowhere when left out. */
  constructor(
    db: Database.Database,
    deps: { readonly clock: Clock; readonly log: Log; readonly headFile?: string },
  ) {
    this.#db = db;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#headFile = deps.headFile;
  }

  /**
   * Durable when it returns. Never throws: who restores on the worst day is not stopped by a full disk.
   * What cannot be written is logged, kept in memory and written before the next entry.
   */
  append(entry: NewAuditEntry): void {
    this.#waiting.push({ ...clipped(entry), timeMs: this.#clock.now() });
    try {
      this.#db
        .transaction(() => {
          for (const each of this.#waiting) this.#insert(each);
        })
        .immediate();
      this.#waiting = [];
    } catch (error) {
      this.#log.error('the audit cannot be written', error, { waiting: this.#waiting.length });
      if (this.#waiting.length > WAITING_MAX) {
        this.#waiting.shift();
        this.#dropped += 1;
      }
      return;
    }
    this.#noteHead();
  }

  /** Entries that are in memory alone, and those that were lost. */
  get unwritten(): { readonly waiting: number; readonly dropped: number } {
    return { waiting: this.#waiting.length, dropped: this.#dropped };
  }

  head(): AuditHead {
    const row = this.#db
      .prepare<[], AuditHead>('SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1')
      .get();
    return row ?? { id: 0, digest: NO_AUDIT_DIGEST };
  }

  /** The head as it was noted outside the database; undefined where none is. */
  notedHead(): AuditHead | undefined {
    if (this.#headFile === undefined) return undefined;
    try {
      return headSchema.parse(JSON.parse(readFileSync(this.#headFile, 'utf8')));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      this.#log.error('the noted head of the audit cannot be read', error);
      return undefined;
    }
  }

  /** Newest first. */
  page(
    filter: AuditFilter,
    { before, limit }: { readonly before?: number | undefined; readonly limit: number },
  ): Pick<AuditAnswer, 'entries' | 'next'> {
    const { where, values } = whereOf(filter);
    const rows = this.#db
      .prepare<unknown[], AuditEntry>(
        `SELECT ${COLUMNS} FROM audit WHERE id < ?${where} ORDER BY id DESC LIMIT ?`,
      )
      .all(before ?? Number.MAX_SAFE_INTEGER, ...values, limit + 1);
    const entries = rows.slice(0, limit);
    return { entries, next: rows.length > limit ? (entries.at(-1)?.id ?? null) : null };
  }

  /** Oldest first, a page of rows at a time, so that none is held while a client is slow. */
  *all(filter: AuditFilter = {}): Generator<AuditEntry> {
    const { where, values } = whereOf(filter);
    const next = this.#db.prepare<unknown[], AuditEntry>(
      `SELECT ${COLUMNS} FROM audit WHERE id > ?${where} ORDER BY id LIMIT ${PAGE}`,
    );
    let after = 0;
    for (;;) {
      const rows = next.all(after, ...values);
      yield* rows;
      after = rows.at(-1)?.id ?? after;
      if (rows.length < PAGE) return;
    }
  }

  #insert(entry: NewAuditEntry & { readonly timeMs: number }): void {
    const head = this.head();
    const whole = { ...entry, id: head.id + 1 };
    const { id, timeMs, who, role, address, action, set, point, detail, status, code } = whole;
    this.#db
      .prepare(
        `INSERT INTO audit (id, time_ms, who, role, address, action, set_name, point, detail, status,
           code, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        ...[id, timeMs, who, role, address, action, set, point, detail, status, code],
        auditDigest(head.digest, whole),
      );
  }

  #noteHead(): void {
    if (this.#headFile === undefined) return;
    try {
      writeFileSync(`${this.#headFile}.new`, `${JSON.stringify(this.head())}\n`, { mode: 0o600 });
      renameSync(`${this.#headFile}.new`, this.#headFile);
    } catch (error) {
      this.#log.error('the head of the audit cannot be noted', error);
    }
  }
}

function clipped(entry: NewAuditEntry): NewAuditEntry {
  if (entry.detail.length <= DETAIL_LENGTH_MAX) return entry;
  return { ...entry, detail: `${entry.detail.slice(0, DETAIL_LENGTH_MAX - 1)}…` };
}

function whereOf(filter: AuditFilter): {
  readonly where: string;
  readonly values: readonly (string | number)[];
} {
  const parts = [
    ['who = ?', filter.who],
    ['action = ?', filter.action],
    ['set_name = ?', filter.set],
    ['time_ms >= ?', filter.fromMs],
    ['time_ms < ?', filter.toMs],
  ] as const;
  const given = parts.filter(([, value]) => value !== undefined);
  return {
    where: given.map(([text]) => ` AND ${text}`).join(''),
    values: given.flatMap(([, value]) => (value === undefined ? [] : [value])),
  };
}
