/**
 * The rotating token of each set of each agent, which tells a clone or an older copy of a machine from
 * the original (R14). Part of the catalog; its caller opens the transaction.
 */
import type Database from 'better-sqlite3';
import type { Clock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';
import {
  bareNumberOf,
  hashToken,
  indexOfToken,
  type TokenMint,
  type TokenOwner,
} from '../../shared/seal/token.js';
import type { SessionCatalog, TokenVerdict } from '../receive/session-catalog.js';
import type { Note } from './set-owners.js';

interface TokenRow {
  readonly current_hash: Buffer | null;
  readonly pending_hash: Buffer | null;
  readonly host: string;
  readonly issued: number;
  readonly adopt_until_ms: number | null;
  readonly proven: number;
}

const ADOPT_MS = 3600 * 1000;

export class SetTokens {
  readonly #db: Database.Database;
  readonly #note: Note;
  readonly #clock: Clock;
  readonly #mint: TokenMint;

  constructor(deps: {
    readonly db: Database.Database;
    readonly note: Note;
    readonly clock: Clock;
    readonly mint: TokenMint;
  }) {
    this.#db = deps.db;
    this.#note = deps.note;
    this.#clock = deps.clock;
    this.#mint = deps.mint;
  }

  /** As `SessionCatalog.offerToken`. */
  offer(
    request: Parameters<SessionCatalog['offerToken']>[0],
  ): ReturnType<SessionCatalog['offerToken']> {
    const { agent, set, tokens, host, takesOver } = request;
    const stored = this.#row(request);
    const matched = matchToken(tokens, stored);
    const number = Math.max(stored?.issued ?? 0, this.#newestShown(request, stored)) + 1;
    const token = this.#mint.issue(number, { agent, set });
    if (this.#isAdopting(stored) && (matched === -1 || takesOver === true)) {
      this.#db
        .prepare(
          'UPDATE set_tokens SET adopted_hash = ?, issued = ? WHERE agent = ? AND set_name = ?',
        )
        .run(hashToken(token), number, agent, set);
      return { token, confirmed: null };
    }
    if (matched === -1 && this.#isStale(request, stored)) {
      throw new AfterimageError(
        'identity-in-use',
        `agent ${agent} on ${host} shows an old token of set ${set}; the newest is on ${stored?.host ?? '?'}`,
        { facts: { agent, set, host } },
      );
    }
    const isNewer = matched === -1 && stored?.current_hash != null;
    if (isNewer) this.#note('newer-token', set, `${agent} on ${host}`);
    const confirmed = matched === -1 ? (isNewer ? 0 : null) : matched;
    const current = confirmed === null ? null : hashToken(tokens[confirmed] ?? '');
    this.#db
      .prepare(
        `INSERT INTO set_tokens (agent, set_name, current_hash, pending_hash, host, issued)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (agent, set_name) DO UPDATE
         SET current_hash = excluded.current_hash, pending_hash = excluded.pending_hash,
             issued = excluded.issued`,
      )
      .run(agent, set, current, hashToken(token), host, number);
    return { token, confirmed };
  }

  /** As `SessionCatalog.judgeTokens`. */
  judge(request: Parameters<SessionCatalog['judgeTokens']>[0]): TokenVerdict {
    const stored = this.#row(request);
    const adopting = this.#isAdopting(stored);
    if (matchToken(request.tokens, stored) !== -1) return { shown: 'good', adopting };
    if (this.#isStale(request, stored)) return { shown: 'stale', adopting };
    return { shown: stored?.current_hash == null ? 'good' : 'newer', adopting };
  }

  /** As `SessionCatalog.confirmToken`. */
  confirm(request: Parameters<SessionCatalog['confirmToken']>[0]): void {
    const { agent, set, token, host } = request;
    const hash = hashToken(token);
    this.#db
      .prepare(
        `UPDATE set_tokens SET current_hash = ?, pending_hash = NULL, host = ?, proven = 1
         WHERE agent = ? AND set_name = ?`,
      )
      .run(hash, host, agent, set);
    const { changes } = this.#db
      .prepare(
        `UPDATE set_tokens SET adopt_until_ms = NULL, adopted_hash = NULL
         WHERE agent = ? AND set_name = ? AND adopted_hash = ?`,
      )
      .run(agent, set, hash);
    if (changes > 0) this.#note('adopted', set, `${agent} on ${host}`);
  }

  /** The agent's sets take a machine with a stale token, for an hour. */
  adopt(agent: string): void {
    this.#db
      .prepare('UPDATE set_tokens SET adopt_until_ms = ? WHERE agent = ?')
      .run(this.#clock.now() + ADOPT_MS, agent);
  }

  forget(agent: string): void {
    this.#db.prepare('DELETE FROM set_tokens WHERE agent = ?').run(agent);
  }

  #row(of: TokenOwner): TokenRow | undefined {
    return this.#db
      .prepare<[string, string], TokenRow>(
        `SELECT current_hash, pending_hash, host, issued, adopt_until_ms, proven FROM set_tokens
         WHERE agent = ? AND set_name = ?`,
      )
      .get(of.agent, of.set);
  }

  #isAdopting(stored: TokenRow | undefined): boolean {
    return (stored?.adopt_until_ms ?? 0) > this.#clock.now();
  }

  /**
   * The highest number that a token proves. A bare one, from before tokens had proofs, counts until the
   * agent has used its first that has one.
   */
  #newestShown(shown: ShownTokens, stored: TokenRow | undefined): number {
    const takesBare = stored?.proven !== 1;
    return Math.max(
      0,
      ...shown.tokens.map((token) =>
        Math.max(this.#mint.numberOf(token, shown), takesBare ? bareNumberOf(token) : 0),
      ),
    );
  }

  /**
   * Tokens that are not the set's, and none of them newer than all it was given: a newer one was given
   * by this replica before it was put back to an older copy.
   */
  #isStale(shown: ShownTokens, stored: TokenRow | undefined): boolean {
    if (stored === undefined || stored.current_hash === null) return false;
    return this.#newestShown(shown, stored) <= stored.issued;
  }
}

type ShownTokens = TokenOwner & { readonly tokens: readonly string[] };

/** Which token is the set's newest known: the pending one proves the welcome it came with. */
function matchToken(tokens: readonly string[], row: TokenRow | undefined): number {
  if (row === undefined) return -1;
  const pending = indexOfToken(tokens, row.pending_hash);
  return pending === -1 ? indexOfToken(tokens, row.current_hash) : pending;
}
