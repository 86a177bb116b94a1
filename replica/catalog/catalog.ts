/**
 * The replica's catalog of agents: their keys, the tokens that tell a clone from the original
 * (R14), which agent owns which set, and an audit of what was decided. Secrets are here as hashes.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import Database from 'better-sqlite3';
import { type Clock, systemClock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';
import { checkWireName } from '../../shared/protocol/subject.js';
import { hashToken, TOKEN_BYTES, TokenMint } from '../../shared/seal/token.js';
import type { SessionCatalog, TokenVerdict } from '../receive/session-catalog.js';
import { AgentKeys } from './agent-keys.js';
import {
  claimSet,
  type ClaimRequest,
  listSets,
  moveSet,
  type Note,
  removeSet,
} from './set-owners.js';
import { retentionSchema } from '../retain/schema.js';
import { CATALOG_VERSION, catalogMigrations, catalogSchema } from './schema.js';
import { SetTokens } from './set-tokens.js';

export interface AgentRow {
  readonly name: string;
  readonly tenant: string;
  /** True once the agent has said hello with its own key. */
  readonly pinned: boolean;
  readonly brokerKey: string;
  readonly host: string | null;
  readonly enrolledMs: number;
  readonly seenMs: number | null;
}

export interface AuditRow {
  readonly timeMs: number;
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
}

export interface Catalog extends SessionCatalog {
  readonly keys: AgentKeys;
  listAgents(): AgentRow[];
  /** Adds an agent, or gives a known one another broker key and token; its pinned key stays. */
  addAgent(agent: {
    readonly name: string;
    readonly tenant: string;
    readonly brokerKey: string;
    readonly token: string;
    readonly expiresMs: number;
  }): void;
  /** Removes an agent; its sets and their points stay. Throws `not-found`. */
  removeAgent(name: string): void;
  /**
   * Lets the machine in, within an hour, that is refused for its tokens (a clone, or one out of an
   * older copy); the one that has the newest tokens is shut out by that. With `forgetKey`, the next
   * enrolment pins another key. Throws `not-found`.
   */
  adoptAgent(name: string, options?: { readonly forgetKey: boolean }): void;
  /**
   * Makes a set the agent's, or confirms that it is. Throws `set-owned`, and `quota-exceeded` when the
   * agent has `setsMax` others.
   */
  claimSet(request: ClaimRequest): void;
  /** Gives a set to another agent (its host was replaced). Throws `not-found`. */
  moveSet(request: { readonly set: string; readonly agent: string }): void;
  /** Takes a set out of the catalog when its data is gone. Throws `argument-invalid` while points of it are held. */
  removeSet(set: string): void;
  /** Since when the key of each agent is in force, ms. */
  keyTimes(): Map<string, number>;
  audit(entry: Omit<AuditRow, 'timeMs'>): void;
  /** Newest first. */
  listAudit(limit: number): AuditRow[];
  close(): void;
}

/** Opens or makes a catalog; `:memory:` for one that is not kept. Throws `database-version`. */
export function openCatalog(options: {
  readonly path: string;
  readonly clock?: Clock;
  /**
   * What proves tokens' numbers, newest first (`tokenKeysOf`); without, a key that this process forgets,
   * which does for a catalog that is never an older copy.
   */
  readonly tokenKeys?: readonly Buffer[];
}): Catalog {
  if (options.path !== ':memory:') {
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
  }
  const database = new Database(options.path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version > CATALOG_VERSION) {
    database.close();
    throw new AfterimageError('database-version', `a catalog of version ${version}`);
  }
  if (version > 0) migrate(database, version);
  database.exec(catalogSchema);
  database.exec(retentionSchema);
  database.pragma(`user_version = ${CATALOG_VERSION}`);
  const mint = new TokenMint(options.tokenKeys ?? [randomBytes(TOKEN_BYTES)]);
  return new SqliteCatalog(database, options.clock ?? systemClock, mint);
}

/** All steps or none: a crash between two would leave a version that is neither. */
function migrate(database: Database.Database, version: number): void {
  database.transaction(() => {
    for (const step of catalogMigrations.slice(version - 1)) database.exec(step);
    database.pragma(`user_version = ${CATALOG_VERSION}`);
  })();
}

class SqliteCatalog implements Catalog {
  readonly keys: AgentKeys;
  readonly #note: Note = (action, subject, detail) => {
    this.audit({ action, subject, detail });
  };
  readonly #db: Database.Database;
  readonly #clock: Clock;
  readonly #tokens: SetTokens;

  constructor(database: Database.Database, clock: Clock, mint: TokenMint) {
    this.#db = database;
    this.#clock = clock;
    this.keys = new AgentKeys(database, this.#note);
    this.#tokens = new SetTokens({ db: database, note: this.#note, clock, mint });
  }

  listAgents(): AgentRow[] {
    return this.#db
      .prepare<[], Omit<AgentRow, 'pinned'> & { pinned: number }>(
        `SELECT name, tenant, public_key IS NOT NULL AS pinned, broker_key AS brokerKey, host,
                enrolled_ms AS enrolledMs, seen_ms AS seenMs FROM agents ORDER BY name`,
      )
      .all()
      .map((row) => ({ ...row, pinned: Boolean(row.pinned) }));
  }

  addAgent(agent: Parameters<Catalog['addAgent']>[0]): void {
    checkWireName('agent', agent.name);
    checkWireName('tenant', agent.tenant);
    const nowMs = this.#clock.now();
    this.#together(() => {
      this.#db
        .prepare(
          `INSERT INTO agents (name, tenant, broker_key, enrolled_ms) VALUES (?, ?, ?, ?)
           ON CONFLICT (name) DO UPDATE SET broker_key = excluded.broker_key`,
        )
        .run(agent.name, agent.tenant, agent.brokerKey, nowMs);
      this.#db.prepare('DELETE FROM enrolments WHERE agent = ?').run(agent.name);
      this.#db
        .prepare('INSERT INTO enrolments (token_hash, agent, expires_ms) VALUES (?, ?, ?)')
        .run(hashToken(agent.token), agent.name, agent.expiresMs);
      this.audit({ action: 'enroll', subject: agent.name, detail: agent.brokerKey });
    });
  }

  removeAgent(name: string): void {
    this.#together(() => {
      this.#requireAgent(name);
      // the row stays for the sets that name it; nobody can come in by it
      this.#db
        .prepare(`UPDATE agents SET public_key = NULL, broker_key = '' WHERE name = ?`)
        .run(name);
      this.#db.prepare('DELETE FROM enrolments WHERE agent = ?').run(name);
      this.#tokens.forget(name);
      this.keys.forget(name);
      const sets = this.#db
        .prepare<[string], { count: number }>('SELECT count(*) AS count FROM sets WHERE agent = ?')
        .get(name);
      if (sets?.count === 0) this.#db.prepare('DELETE FROM agents WHERE name = ?').run(name);
      this.audit({ action: 'remove-agent', subject: name, detail: '' });
    });
  }

  adoptAgent(name: string, options: { readonly forgetKey: boolean } = { forgetKey: false }): void {
    this.#together(() => {
      this.#requireAgent(name);
      if (options.forgetKey) this.#forgetKey(name);
      else {
        this.#tokens.adopt(name);
      }
      const detail = options.forgetKey ? 'key forgotten' : 'the refused machine is let in';
      this.audit({ action: 'adopt-agent', subject: name, detail });
    });
  }

  claimSet(request: ClaimRequest): void {
    checkWireName('set', request.set);
    this.#together(() => {
      claimSet(this.#db, request, this.#clock.now(), this.#note);
    });
  }

  moveSet(request: Parameters<Catalog['moveSet']>[0]): void {
    this.#together(() => {
      this.#requireAgent(request.agent);
      moveSet(this.#db, request, this.#note);
    });
  }

  removeSet(set: string): void {
    this.#together(() => {
      removeSet(this.#db, set, this.#note);
    });
  }

  listSets(): { agent: string; set: string }[] {
    return listSets(this.#db);
  }

  keyTimes(): Map<string, number> {
    const rows = this.#db
      .prepare<[], { agent: string; timeMs: number }>(
        `SELECT subject AS agent, max(time_ms) AS timeMs FROM audit
         WHERE action IN ('pin-key', 'change-key') GROUP BY subject`,
      )
      .all();
    return new Map(rows.map(({ agent, timeMs }) => [agent, timeMs]));
  }

  audit(entry: Omit<AuditRow, 'timeMs'>): void {
    this.#db
      .prepare('INSERT INTO audit (time_ms, action, subject, detail) VALUES (?, ?, ?, ?)')
      .run(this.#clock.now(), entry.action, entry.subject, entry.detail);
  }

  listAudit(limit: number): AuditRow[] {
    return this.#db
      .prepare<[number], AuditRow>(
        `SELECT time_ms AS timeMs, action, subject, detail FROM audit ORDER BY id DESC LIMIT ?`,
      )
      .all(limit);
  }

  admit(request: Parameters<SessionCatalog['admit']>[0]): void {
    const { agent, publicKey, enrolment, host } = request;
    this.#together(() => {
      const row = this.#db
        .prepare<[string], { public_key: Buffer | null }>(
          'SELECT public_key FROM agents WHERE name = ?',
        )
        .get(agent);
      if (row === undefined) throw unknownAgent(agent, 'no agent of this name is enrolled');
      if (row.public_key === null) this.#pin({ agent, publicKey, enrolment });
      else if (!timingSafeEqual(row.public_key, publicKey) && !this.keys.isNext(agent, publicKey)) {
        if (enrolment === null) {
          throw unknownAgent(agent, 'the key is not the one pinned for this agent');
        }
        // Enrolled again, on a machine that has lost its key or is another one.
        this.#pin({ agent, publicKey, enrolment });
        this.#tokens.forget(agent);
      }
      this.#db
        .prepare('UPDATE agents SET seen_ms = ?, host = ? WHERE name = ?')
        .run(this.#clock.now(), host, agent);
    });
  }

  #pin(request: {
    readonly agent: string;
    readonly publicKey: Uint8Array;
    readonly enrolment: string | null;
  }): void {
    const { agent, publicKey, enrolment } = request;
    if (enrolment === null) throw unknownAgent(agent, 'it has no key here and shows no token');
    const hash = hashToken(enrolment);
    const { changes } = this.#db
      .prepare('DELETE FROM enrolments WHERE token_hash = ? AND agent = ? AND expires_ms > ?')
      .run(hash, agent, this.#clock.now());
    if (changes === 0) throw unknownAgent(agent, 'its token is unknown, used or expired');
    this.#db.prepare('UPDATE agents SET public_key = ? WHERE name = ?').run(publicKey, agent);
    this.keys.forget(agent);
    const detail = Buffer.from(publicKey).toString('base64url');
    this.audit({ action: 'pin-key', subject: agent, detail });
  }

  offerToken(
    request: Parameters<SessionCatalog['offerToken']>[0],
  ): ReturnType<SessionCatalog['offerToken']> {
    return this.#together(() => this.#tokens.offer(request));
  }

  judgeTokens(request: Parameters<SessionCatalog['judgeTokens']>[0]): TokenVerdict {
    return this.#tokens.judge(request);
  }

  confirmToken(request: Parameters<SessionCatalog['confirmToken']>[0]): void {
    this.#together(() => {
      this.#tokens.confirm(request);
    });
  }

  confirmKeys(request: Parameters<SessionCatalog['confirmKeys']>[0]): boolean {
    const { agent, publicKey, replicaKey, nextKeys } = request;
    return this.#together(() => {
      const changed = this.keys.confirm(agent, publicKey);
      if (nextKeys !== undefined) this.keys.take(agent, nextKeys);
      this.keys.noteReplicaKey(agent, replicaKey);
      return changed;
    });
  }

  close(): void {
    this.#db.close();
  }

  #forgetKey(agent: string): void {
    this.#tokens.forget(agent);
    this.#db.prepare('UPDATE agents SET public_key = NULL WHERE name = ?').run(agent);
    this.keys.forget(agent);
  }

  #requireAgent(name: string): void {
    const row = this.#db.prepare('SELECT 1 FROM agents WHERE name = ?').get(name);
    if (row === undefined) throw new AfterimageError('not-found', `there is no agent ${name}`);
  }

  #together<T>(work: () => T): T {
    return this.#db.transaction(work).immediate();
  }
}

function unknownAgent(agent: string, why: string): AfterimageError {
  return new AfterimageError('identity-unknown', `agent ${agent}: ${why}`, { facts: { agent } });
}
