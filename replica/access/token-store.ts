/**
 * The tokens that an admin gave. The token itself is told once and kept as a hash: 256 random bits
 * need no slow hash, nobody finds them by trying.
 */
import { createHash, randomBytes } from 'node:crypto';
import type Database from 'better-sqlite3';
import { z } from 'zod';
import {
  type NewTokenAnswer,
  type Role,
  type TokenJson,
  type TokensAnswer,
} from '../../shared/api/access.js';
import type { Clock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';

/** What tokens begin with, so that one is known where it lies about. */
const PREFIX = 'ai_';
const SECRET_BYTES = 32;
/** Valid ones at a time. */
const TOKENS_MAX = 10_000;
/** When a token was used last is written down this often. */
const USED_EVERY_MS = 60_000;
const idPattern = /^token-(\d{1,15})$/;
const setsSchema = z.array(z.string());

interface TokenRow {
  readonly id: number;
  readonly name: string;
  readonly role: Role;
  readonly sets: string | null;
  readonly createdMs: number;
  readonly createdBy: string;
  readonly lastUsedMs: number | null;
  readonly expiresMs: number | null;
  readonly revokedMs: number | null;
}

/** A token that is good now. */
export interface GoodToken {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly sets: readonly string[] | null;
  readonly expiresMs: number | null;
}

const COLUMNS = `id, name, role, sets, created_ms AS createdMs, created_by AS createdBy,
  last_used_ms AS lastUsedMs, expires_ms AS expiresMs, revoked_ms AS revokedMs`;

export class TokenStore {
  readonly #db: Database.Database;
  readonly #clock: Clock;
  readonly #byHash: Database.Statement<[Buffer], TokenRow>;
  readonly #byId: Database.Statement<[number], TokenRow>;

  constructor(db: Database.Database, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    this.#byHash = db.prepare(`SELECT ${COLUMNS} FROM token WHERE hash = ?`);
    this.#byId = db.prepare(`SELECT ${COLUMNS} FROM token WHERE id = ?`);
  }

  /** Throws `quota-exceeded` when there are too many. */
  create(request: {
    readonly name: string;
    readonly role: Role;
    readonly sets: readonly string[] | null;
    readonly validMs: number | null;
    readonly by: string;
  }): NewTokenAnswer {
    const { name, role, validMs, by } = request;
    const nowMs = this.#clock.now();
    this.#checkRoom(nowMs);
    const token = `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const sets = request.sets === null ? null : JSON.stringify([...new Set(request.sets)].sort());
    const { lastInsertRowid } = this.#db
      .prepare(
        `INSERT INTO token (hash, name, role, sets, created_ms, created_by, expires_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(hashOf(token), name, role, sets, nowMs, by, validMs === null ? null : nowMs + validMs);
    const row = this.#byId.get(Number(lastInsertRowid));
    if (row === undefined) throw new AfterimageError('internal', 'a new token is not there');
    return { ...this.#present(row), token };
  }

  /** Newest first. */
  list(page: { readonly limit: number; readonly before?: string | undefined }): TokensAnswer {
    const before = page.before === undefined ? Number.MAX_SAFE_INTEGER : numberOf(page.before);
    const rows = this.#db
      .prepare<[number, number], TokenRow>(
        `SELECT ${COLUMNS} FROM token WHERE id < ? ORDER BY id DESC LIMIT ?`,
      )
      .all(before, page.limit + 1);
    const tokens = rows.slice(0, page.limit).map((row) => this.#present(row));
    const next = rows.length > page.limit ? (tokens.at(-1)?.id ?? null) : null;
    return { tokens, next };
  }

  /** Refused from now on. Throws `not-found`; one that is revoked stays as it is. */
  revoke(id: string): TokenJson {
    const number = numberOf(id);
    this.#db
      .prepare('UPDATE token SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL')
      .run(this.#clock.now(), number);
    const row = this.#byId.get(number);
    if (row !== undefined) return this.#present(row);
    throw new AfterimageError('not-found', `there is no token ${JSON.stringify(id)}`);
  }

  /** Found by its hash, which tells nobody how near a guess was. Notes the use. */
  find(token: string): GoodToken | undefined {
    if (!token.startsWith(PREFIX)) return undefined;
    return this.#used(this.#byHash.get(hashOf(token)));
  }

  /** One that was found before, if it is good still. Notes the use. */
  again(id: string): GoodToken | undefined {
    return this.#used(this.#byId.get(numberOf(id)));
  }

  #used(row: TokenRow | undefined): GoodToken | undefined {
    if (row === undefined) return undefined;
    const nowMs = this.#clock.now();
    if (stateOf(row, nowMs) !== 'valid') return undefined;
    if (row.lastUsedMs === null || nowMs - row.lastUsedMs >= USED_EVERY_MS) {
      this.#db.prepare('UPDATE token SET last_used_ms = ? WHERE id = ?').run(nowMs, row.id);
    }
    const { name, role, expiresMs } = row;
    return { id: idOf(row), name, role, sets: setsOf(row), expiresMs };
  }

  #present(row: TokenRow): TokenJson {
    const { name, role, createdMs, createdBy, lastUsedMs, expiresMs, revokedMs } = row;
    return {
      id: idOf(row),
      name,
      role,
      sets: setsOf(row),
      createdMs,
      createdBy,
      lastUsedMs,
      expiresMs,
      revokedMs,
      state: stateOf(row, this.#clock.now()),
    };
  }

  #checkRoom(nowMs: number): void {
    const valid = this.#db
      .prepare<[number], { count: number }>(
        `SELECT count(*) AS count FROM token
         WHERE revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?)`,
      )
      .get(nowMs);
    if ((valid?.count ?? 0) < TOKENS_MAX) return;
    throw new AfterimageError('quota-exceeded', `there are ${TOKENS_MAX} tokens; revoke some`);
  }
}

function stateOf(
  { revokedMs, expiresMs }: Pick<TokenRow, 'revokedMs' | 'expiresMs'>,
  nowMs: number,
): TokenJson['state'] {
  if (revokedMs !== null) return 'revoked';
  return expiresMs !== null && expiresMs <= nowMs ? 'expired' : 'valid';
}

function setsOf({ sets }: TokenRow): string[] | null {
  return sets === null ? null : setsSchema.parse(JSON.parse(sets));
}

function idOf({ id }: TokenRow): string {
  return `token-${id}`;
}

function numberOf(id: string): number {
  const number = idPattern.exec(id)?.[1];
  if (number !== undefined) return Number(number);
  throw new AfterimageError('not-found', `there is no token ${JSON.stringify(id)}`);
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
