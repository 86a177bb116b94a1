/** Which agent owns which set: part of the catalog, inside its transactions. */
import type Database from 'better-sqlite3';
import { AfterimageError } from '../../shared/errors.js';

/** Writes a line of the audit. */
export type Note = (action: string, subject: string, detail: string) => void;

export interface ClaimRequest {
  readonly set: string;
  readonly agent: string;
  /** Sets that an agent may have; any number unless told. */
  readonly setsMax?: number;
}

/** Throws `set-owned`, and `quota-exceeded` when the agent has `setsMax` others. */
export function claimSet(
  db: Database.Database,
  { set, agent, setsMax }: ClaimRequest,
  nowMs: number,
  note: Note,
): void {
  const owner = db
    .prepare<[string], { agent: string }>('SELECT agent FROM sets WHERE name = ?')
    .get(set)?.agent;
  if (owner === agent) return;
  const facts = { set, agent };
  if (owner !== undefined) {
    throw new AfterimageError('set-owned', `set ${set} belongs to agent ${owner}`, { facts });
  }
  const count =
    db
      .prepare<[string], { count: number }>('SELECT count(*) AS count FROM sets WHERE agent = ?')
      .get(agent)?.count ?? 0;
  if (setsMax !== undefined && count >= setsMax) {
    const message = `agent ${agent} has ${count} sets, sets_per_agent_max is ${setsMax}`;
    throw new AfterimageError('quota-exceeded', message, { facts });
  }
  db.prepare('INSERT INTO sets (name, agent, created_ms) VALUES (?, ?, ?)').run(set, agent, nowMs);
  note('new-set', set, agent);
}

/** Throws `not-found`. */
export function moveSet(
  db: Database.Database,
  { set, agent }: { readonly set: string; readonly agent: string },
  note: Note,
): void {
  const { changes } = db.prepare('UPDATE sets SET agent = ? WHERE name = ?').run(agent, set);
  if (changes === 0) throw new AfterimageError('not-found', `there is no set ${set}`);
  note('move-set', set, agent);
}

/**
 * With what was to be kept of it: another set of its name must not come under its policy and holds.
 * Throws `argument-invalid` while points of it are held.
 */
export function removeSet(db: Database.Database, set: string, note: Note): void {
  const held = db.prepare('SELECT 1 FROM point_hold WHERE set_name = ? LIMIT 1').get(set);
  if (held !== undefined) {
    throw new AfterimageError('argument-invalid', `points of set ${set} are held`, {
      facts: { set },
    });
  }
  for (const table of ['set_tokens', 'retention_policy', 'retention_run'])
    db.prepare(`DELETE FROM ${table} WHERE set_name = ?`).run(set);
  db.prepare('DELETE FROM sets WHERE name = ?').run(set);
  note('remove-set', set, '');
}

export function listSets(db: Database.Database): { agent: string; set: string }[] {
  return db
    .prepare<[], { agent: string; set: string }>(
      'SELECT agent, name AS "set" FROM sets ORDER BY name',
    )
    .all();
}

/** The sets of the agent that owns `set`, itself among them: only they may serve it twins (R21). */
export function ownedWith(
  sets: readonly { readonly agent: string; readonly set: string }[],
  set: string,
): string[] {
  const owner = sets.find((row) => row.set === set)?.agent;
  return sets.flatMap((row) => (row.agent === owner ? [row.set] : []));
}
