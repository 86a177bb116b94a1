/**
 * The sync in flight: what takes its changes of the state back, or makes them final. A rollback
 * keeps the hashed states of files as provisional rows, so that the next plan need not hash an
 * unchanged file again (R12). Both ways may stop anywhere and be run again.
 */
import type { Database } from 'better-sqlite3';
import { nodeKinds } from '../../shared/protocol/records.js';
import { provisionalKey } from './status.js';
import type { StateDatabase } from './state-database.js';

/** open: records may be sent; ended: `end` may have been sent; dropping: being taken back. */
export type FlightPhase = 'open' | 'ended' | 'dropping';

export interface FlightRow {
  readonly sync: number;
  readonly phase: FlightPhase;
  readonly firstNode: number;
  /** Of an ended sync, `end` included. */
  readonly manifest: Buffer | null;
}

/** Nodes taken back in one transaction. */
const STEP_NODES = 500;

export class Flight {
  readonly #base: StateDatabase;
  readonly #sql: ReturnType<typeof prepare>;
  #row: FlightRow | undefined;

  constructor(base: StateDatabase) {
    this.#base = base;
    this.#sql = prepare(base.db);
    this.#row = this.#sql.read.get();
    base.undoBelow = this.#row?.firstNode ?? 0;
  }

  get current(): FlightRow | undefined {
    return this.#row;
  }

  /** Opens a sync. The caller has made sure that none is in flight. */
  open(sync: number, firstNode: number): void {
    this.#base.writing();
    this.#sql.open.run(sync, 'open', firstNode);
    this.#row = { sync, phase: 'open', firstNode, manifest: null };
    this.#base.undoBelow = firstNode;
  }

  /** Durable: from here on the replica may commit the sync. */
  end(manifest: Buffer): void {
    if (this.#row === undefined) return;
    const row = { ...this.#row, phase: 'ended' as const, manifest };
    this.#base.commitDurably(() => {
      this.#sql.phase.run(row.phase, manifest);
    });
    this.#row = row;
  }

  /** Makes the sync's changes final, together with `also` (the new position). */
  settle(also: () => void): void {
    this.#base.alone(() => {
      this.#sql.dropBasisOfDead.run(this.#base.undoBelow);
      this.#sql.clear();
      this.#base.db.exec('DELETE FROM provisional; DELETE FROM orphan');
      also();
    });
    // Only now: one that could not be settled is still in flight.
    this.#row = undefined;
    this.#base.undoBelow = 0;
  }

  /** Takes the sync back, a step a call; false when it is done. */
  dropStep(): boolean {
    const row = this.#row;
    if (row === undefined) return false;
    if (row.phase !== 'dropping') {
      this.#base.alone(() => {
        this.#sql.phase.run('dropping', null);
        this.#keepHashedOld();
      });
      this.#row = { ...row, phase: 'dropping', manifest: null };
      return true;
    }
    const nodes = this.#sql.made.all(row.firstNode, STEP_NODES);
    if (nodes.length > 0) {
      this.#base.alone(() => {
        this.#dropMade(nodes);
      });
      return true;
    }
    this.#base.alone(() => {
      this.#restore(row);
    });
    this.#row = undefined;
    this.#base.undoBelow = 0;
    return false;
  }

  #keepHashedOld(): void {
    for (const { id, identity, status } of this.#sql.changedFiles.all()) {
      if (identity !== null) this.#sql.keepHashed.run(provisionalKey(identity, status), id);
    }
  }

  #dropMade(nodes: readonly ChangedFile[]): void {
    const fileKind = nodeKinds.indexOf('file');
    for (const { id, kind, identity, status, dirty } of nodes) {
      if (kind === fileKind && dirty === 0 && identity !== null) {
        this.#sql.keepHashed.run(provisionalKey(identity, status), id);
      }
      this.#sql.dropDigests.run(id);
      this.#sql.dropBasis.run(id);
      this.#sql.dropEntriesOf.run(id);
      this.#sql.dropEntriesUnder.run(id);
      this.#sql.dropFingerprint.run(id);
      this.#sql.dropNode.run(id);
    }
  }

  #restore(row: FlightRow): void {
    this.#sql.dropFingerprints.run(row.sync);
    this.#base.db.exec(restoreSql);
    this.#sql.clear();
  }
}

interface ChangedFile {
  readonly id: number;
  readonly kind: number;
  readonly identity: Buffer | null;
  readonly status: Buffer;
  readonly dirty: number;
}

const restoreSql = `
  DELETE FROM entry WHERE (parent, name) IN (SELECT parent, name FROM undo_entry);
  INSERT INTO entry SELECT * FROM undo_entry WHERE node IS NOT NULL;
  INSERT OR REPLACE INTO node SELECT * FROM undo_node;
  DELETE FROM digest WHERE (node, first) IN (SELECT node, first FROM undo_digest);
  INSERT INTO digest (node, first, bytes)
    SELECT node, first, bytes FROM undo_digest WHERE bytes IS NOT NULL;
  DELETE FROM basis WHERE node IN (SELECT node FROM undo_basis);
  INSERT INTO basis SELECT * FROM undo_basis WHERE basis IS NOT NULL;
  DELETE FROM orphan;
`;

function prepare(db: Database) {
  const file = nodeKinds.indexOf('file');
  const clear = ['flight', 'undo_node', 'undo_entry', 'undo_digest', 'undo_basis'].map((table) =>
    db.prepare(`DELETE FROM ${table}`),
  );
  return {
    read: db.prepare<[], FlightRow>(
      'SELECT sync, phase, first_node AS firstNode, manifest FROM flight',
    ),
    open: db.prepare('INSERT INTO flight (sync, phase, first_node) VALUES (?, ?, ?)'),
    phase: db.prepare('UPDATE flight SET phase = ?, manifest = ?'),
    made: db.prepare<[number, number], ChangedFile>(
      'SELECT id, kind, identity, status, dirty FROM node WHERE id >= ? LIMIT ?',
    ),
    changedFiles: db.prepare<[], ChangedFile>(
      `SELECT id, kind, identity, status, dirty FROM node
       WHERE kind = ${file} AND dirty = 0
         AND id IN (SELECT node FROM undo_digest UNION SELECT id FROM undo_node)`,
    ),
    keepHashed: db.prepare(
      `INSERT OR REPLACE INTO provisional SELECT ?, first, bytes FROM digest WHERE node = ?`,
    ),
    dropDigests: db.prepare('DELETE FROM digest WHERE node = ?'),
    dropBasis: db.prepare('DELETE FROM basis WHERE node = ?'),
    dropBasisOfDead: db.prepare(
      `DELETE FROM basis WHERE (node IN (SELECT id FROM undo_node) OR node >= ?)
         AND node NOT IN (SELECT id FROM node)`,
    ),
    dropEntriesOf: db.prepare('DELETE FROM entry WHERE node = ?'),
    dropEntriesUnder: db.prepare('DELETE FROM entry WHERE parent = ?'),
    dropFingerprint: db.prepare('DELETE FROM fingerprint WHERE node = ?'),
    dropNode: db.prepare('DELETE FROM node WHERE id = ?'),
    dropFingerprints: db.prepare('DELETE FROM fingerprint WHERE sync >= ?'),
    clear: () => {
      for (const statement of clear) statement.run();
    },
  };
}
