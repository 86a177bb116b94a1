/**
 * How agents change keys (R23): the operator asks for new ones, the agent says them under those it has,
 * and they are in force, and the old ones refused, once it has come in with them. Part of the catalog.
 */
import { timingSafeEqual } from 'node:crypto';
import type Database from 'better-sqlite3';
import { fromPublic } from 'nkeys.js';
import { AfterimageError } from '../../shared/errors.js';
import type { NextKeys } from '../../shared/protocol/hello.js';

export type KeysAsked = 'agent' | 'agent-and-broker';

interface ChangeRow {
  readonly asked: KeysAsked | null;
  readonly next_key: Buffer | null;
}

export class AgentKeys {
  readonly #db: Database.Database;
  readonly #audit: (action: string, agent: string, detail: string) => void;

  constructor(
    db: Database.Database,
    audit: (action: string, agent: string, detail: string) => void,
  ) {
    this.#db = db;
    this.#audit = audit;
  }

  /** The operator wants new keys; the agent makes them at its next HELLO. */
  ask(agent: string, asked: KeysAsked): void {
    this.#db
      .prepare(
        `INSERT INTO key_changes (agent, asked) VALUES (?, ?)
         ON CONFLICT (agent) DO UPDATE SET asked = excluded.asked`,
      )
      .run(agent, asked);
    this.#audit('ask-keys', agent, asked);
  }

  asked(agent: string): KeysAsked | undefined {
    return this.#row(agent)?.asked ?? undefined;
  }

  /** Agents that were asked and have not said their new keys. */
  allAsked(): string[] {
    return this.#db
      .prepare<[], { agent: string }>('SELECT agent FROM key_changes WHERE asked IS NOT NULL')
      .all()
      .map(({ agent }) => agent);
  }

  isNext(agent: string, publicKey: Uint8Array): boolean {
    const next = this.#row(agent)?.next_key ?? null;
    return next !== null && next.length === publicKey.length && timingSafeEqual(next, publicKey);
  }

  /** Whether the agent's HELLOs are let in under this key: it is in force, or the next. */
  isGood(agent: string, publicKey: Uint8Array): boolean {
    return this.isInForce(agent, publicKey) || this.isNext(agent, publicKey);
  }

  isInForce(agent: string, publicKey: Uint8Array): boolean {
    const row = this.#db
      .prepare<[string], { public_key: Buffer | null }>(
        'SELECT public_key FROM agents WHERE name = ?',
      )
      .get(agent);
    return row?.public_key?.equals(publicKey) === true;
  }

  forget(agent: string): void {
    this.#db
      .prepare('UPDATE key_changes SET next_key = NULL, asked = NULL WHERE agent = ?')
      .run(agent);
  }

  /** The agent has sealed something in a session under `publicKey`. True when that put it in force. */
  confirm(agent: string, publicKey: Uint8Array): boolean {
    if (!this.isNext(agent, publicKey)) return false;
    this.#db.prepare('UPDATE agents SET public_key = ? WHERE name = ?').run(publicKey, agent);
    this.#db.prepare('UPDATE key_changes SET next_key = NULL WHERE agent = ?').run(agent);
    this.#audit('change-key', agent, Buffer.from(publicKey).toString('base64url'));
    return true;
  }

  /** The agent says its next keys. A broker user is changed at once, and only when it was asked for. */
  take(agent: string, next: NextKeys): void {
    const row = this.#row(agent);
    const publicKey = Buffer.from(next.publicKey, 'base64url');
    if (next.brokerKey !== null && row?.asked === 'agent-and-broker') {
      this.#takeBrokerKey(agent, next.brokerKey);
    }
    this.#db
      .prepare(
        `INSERT INTO key_changes (agent, next_key) VALUES (?, ?)
         ON CONFLICT (agent) DO UPDATE SET next_key = excluded.next_key, asked = NULL`,
      )
      .run(agent, publicKey);
    if (row?.next_key?.equals(publicKey) !== true) {
      this.#audit('next-key', agent, next.publicKey);
    }
  }

  /** Which of the replica's keys the agent knows. */
  noteReplicaKey(agent: string, replicaKey: Uint8Array): void {
    this.#db
      .prepare(
        `INSERT INTO key_changes (agent, replica_key) VALUES (?, ?)
         ON CONFLICT (agent) DO UPDATE SET replica_key = excluded.replica_key`,
      )
      .run(agent, replicaKey);
  }

  /** Agents with a key of their own that have not used this key of the replica. */
  behind(replicaKey: Uint8Array): string[] {
    return this.#db
      .prepare<[Uint8Array], { name: string }>(
        `SELECT name FROM agents LEFT JOIN key_changes ON agent = name
         WHERE public_key IS NOT NULL AND replica_key IS NOT ? ORDER BY name`,
      )
      .all(replicaKey)
      .map(({ name }) => name);
  }

  #takeBrokerKey(agent: string, brokerKey: string): void {
    try {
      fromPublic(brokerKey);
    } catch (cause) {
      throw new AfterimageError('frame-malformed', 'a broker user that is none', { cause });
    }
    const taken = this.#db
      .prepare('SELECT 1 FROM agents WHERE broker_key = ? AND name <> ?')
      .get(brokerKey, agent);
    if (taken !== undefined) {
      throw new AfterimageError('identity-unknown', `agent ${agent} names another's broker user`);
    }
    this.#db.prepare('UPDATE agents SET broker_key = ? WHERE name = ?').run(brokerKey, agent);
  }

  #row(agent: string): ChangeRow | undefined {
    return this.#db
      .prepare<[string], ChangeRow>('SELECT asked, next_key FROM key_changes WHERE agent = ?')
      .get(agent);
  }
}
