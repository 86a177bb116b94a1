/**
 * What the agent remembers of one set: the state that the replica committed, file by file, and the
 * sync in flight on top of it. One process has it open (the data folder is locked), one sync at a
 * time changes it. After a crash an open sync is taken back; an ended one waits for the replica's
 * word (R13).
 */
import type { AgentPosition } from './ship/session.js';
import { BasisTable } from './state/basis-table.js';
import { BlockRow, ROW_BLOCKS } from './state/block-row.js';
import { DigestTable } from './state/digest-table.js';
import { FileCount } from './state/file-count.js';
import { Flight, type FlightRow } from './state/flight.js';
import { NewFiles } from './state/new-files.js';
import { NodeTable } from './state/node-table.js';
import { StateDatabase } from './state/state-database.js';
import { nodeKinds, SET_NODE } from '../shared/protocol/records.js';
import { type Divergence, divergences } from '../shared/protocol/sync-outcome.js';
import type { TimeSlice } from '../shared/time-slice.js';
import { invariant } from '../shared/errors.js';

export interface CommittedPoint {
  readonly point: number;
  readonly chain: Buffer;
}

export class AgentState {
  readonly nodes: NodeTable;
  readonly digests: DigestTable;
  /** Where the rows of files that are new go, many at once. */
  readonly newFiles: NewFiles;
  /** Nodes other than folders. */
  readonly files: FileCount;
  /** Which look the digest rows of a node are of. */
  readonly bases: BasisTable;
  readonly #base: StateDatabase;
  readonly #flight: Flight;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #devices = new Map<number, number>();
  #nextNode: number;
  /** False only when there is no orphan. */
  #hasOrphans = true;
  /** What the replica committed and could not be stored here yet. */
  #unstored: CommittedPoint | undefined;

  /** Opens or makes the database. A sync that a crash left in flight still is: see `flight`. */
  constructor(path: string) {
    this.#base = new StateDatabase(path);
    this.files = new FileCount(this.#base);
    this.nodes = new NodeTable(this.#base, this.files);
    this.newFiles = new NewFiles(this.#base, this.nodes, this.files);
    this.digests = new DigestTable(this.#base, this.newFiles);
    this.bases = new BasisTable(this.#base);
    this.#flight = new Flight(this.#base);
    this.#sql = prepare(this.#base);
    for (const { id, dev } of this.#sql.devices.all()) this.#devices.set(dev, id);
    this.anyOrphan();
    const newest = this.#sql.newestNode.get() ?? 1;
    this.#nextNode = Math.max(this.#base.metaNumber('nextNode'), newest + 1);
    this.files.load(this.#flight.current?.phase === 'ended' ? 'ended' : 'committed');
  }

  get flight(): FlightRow | undefined {
    return this.#flight.current;
  }

  /** For HELLO. */
  position(): AgentPosition {
    const flight = this.#flight.current;
    const ended =
      flight?.phase === 'ended' && flight.manifest !== null
        ? { sync: flight.sync, manifest: flight.manifest }
        : null;
    return { ...this.committed, incarnation: this.incarnation, ended };
  }

  get committed(): CommittedPoint {
    return {
      point: this.#base.metaNumber('point'),
      chain: this.#base.metaBytes('chain') ?? Buffer.alloc(32),
    };
  }

  /** 16 random bytes, made with the database. */
  get incarnation(): Buffer {
    return this.#base.metaBytes('incarnation') ?? Buffer.alloc(16);
  }

  /** Opens a sync; its number is returned. */
  openSync(): number {
    invariant(this.#flight.current === undefined, 'one sync in flight a set');
    const sync = this.#base.metaNumber('nextSync');
    // Numbers are never reused, whatever becomes of the sync (R1).
    this.#base.setMeta('nextSync', sync + 1);
    this.#base.setMeta('nextNode', this.#nextNode);
    this.#flight.open(sync, this.#nextNode);
    this.#base.commit();
    return sync;
  }

  /** This number was given once, by whoever: it is not given again (R1). */
  reserveNode(node: number): void {
    this.#nextNode = Math.max(this.#nextNode, node + 1);
  }

  takeNode(): number {
    return this.#nextNode++;
  }

  /** True when the node was made by the sync in flight: all of its content must be mentioned. */
  isMade(node: number): boolean {
    return this.#base.undoBelow > 0 && node >= this.#base.undoBelow;
  }

  /** Stores that the sync's `end` is about to be sent; durable on return. */
  endSync(manifest: Buffer): void {
    this.#base.setMeta('nextNode', this.#nextNode);
    this.files.keep('ended');
    this.#flight.end(manifest);
  }

  /** The replica committed the sync in flight. What cannot be stored is left to `endFlight`. */
  commitSync(committed: CommittedPoint): void {
    this.#unstored = committed;
    this.#flight.settle(() => {
      this.#setPosition(committed);
    });
    this.#unstored = undefined;
    this.nodes.endFirst();
  }

  /** Ends what a failing disk left in flight: forward when the replica has committed it, else back. */
  async endFlight(slice: TimeSlice): Promise<void> {
    if (this.#flight.current === undefined) return;
    if (this.#unstored === undefined) await this.dropSync(slice);
    else this.commitSync(this.#unstored);
  }

  /** The sync in flight found nothing to send: what was seen of the files stays. */
  keepUnsent(): void {
    this.#flight.settle(() => {
      this.#base.setMeta('nextNode', this.#nextNode);
      this.files.keep('committed');
    });
  }

  /** Takes the sync in flight back. */
  async dropSync(slice: TimeSlice): Promise<void> {
    this.#unstored = undefined;
    this.#base.commit();
    while (this.#flight.dropStep()) await (this.#base.breathe() ?? slice.breathe());
    this.files.load('committed');
    this.#base.setMeta('nextNode', this.#nextNode);
    this.#base.commit();
  }

  fingerprint(folder: number): Buffer | undefined {
    return this.#sql.fingerprint.get(folder);
  }

  /** Says that the rows of a folder's children are what a scan of this hash says. */
  setFingerprint(folder: number, hash: Buffer): void {
    this.#base.writing();
    this.#sql.setFingerprint.run(folder, hash, this.#flight.current?.sync ?? 0);
  }

  dropFingerprint(folder: number): void {
    this.#base.writing();
    this.#sql.dropFingerprint.run(folder);
  }

  dropFingerprints(): void {
    this.#base.writing();
    this.#sql.dropFingerprints.run();
  }

  addOrphan(node: number): void {
    this.#base.writing();
    this.#sql.addOrphan.run(node);
    this.#hasOrphans = true;
  }

  /** Costs nothing while there are none, as in a first copy. */
  removeOrphan(node: number): void {
    if (!this.#hasOrphans) return;
    this.#base.writing();
    this.#sql.removeOrphan.run(node);
  }

  anyOrphan(): number | undefined {
    const orphan = this.#sql.anyOrphan.get();
    this.#hasOrphans = orphan !== undefined;
    return orphan;
  }

  /** The own number of a device; undefined when nothing of the set was ever seen on it. */
  knownDevice(dev: number): number | undefined {
    return this.#devices.get(dev);
  }

  /** The own number of a device, made when it is new. */
  device(dev: number): number {
    const known = this.#devices.get(dev);
    if (known !== undefined) return known;
    this.#base.writing();
    const id = Number(this.#sql.addDevice.run(dev).lastInsertRowid);
    this.#devices.set(dev, id);
    return id;
  }

  /** A file system is the same but its device number changed, as over a reboot. */
  renumberDevice(change: { readonly from: number; readonly to: number }): void {
    const id = this.#devices.get(change.from);
    if (id === undefined) return;
    this.#base.writing();
    // Another file system may have had the new number, as when two change theirs over a reboot: it
    // keeps its rows under a number that no device has, until it is seen again.
    const displaced = this.#devices.get(change.to);
    if (displaced !== undefined) {
      this.#sql.renumber.run(-displaced, displaced);
      this.#devices.set(-displaced, displaced);
    }
    this.#sql.renumber.run(change.to, id);
    this.#devices.delete(change.from);
    this.#devices.set(change.to, id);
    this.#base.commit();
  }

  /** The device number that an identity names; undefined for none. */
  devOf(identity: Buffer): number | undefined {
    const id = identity.readUInt32LE(0);
    for (const [dev, known] of this.#devices) if (known === id) return dev;
    return undefined;
  }

  /** The next sync sends this block whole. Only between syncs. */
  forgetBlock(node: number, block: number): void {
    invariant(
      this.#flight.current === undefined,
      'no sync is in flight while blocks are forgotten',
    );
    const row = this.nodes.get(node);
    if (row === undefined) return;
    const index = block % ROW_BLOCKS;
    const blocks = new BlockRow();
    blocks.load(this.digests.read(node, block - index));
    blocks.forget(index);
    this.digests.write(node, block - index, blocks.encode());
    this.bases.remove(node);
    this.nodes.update({ ...row, dirty: true });
    for (const { parent } of this.nodes.placesOf(node)) this.dropFingerprint(parent);
  }

  /** Small settings of the planner, kept beside the rows that depend on them. */
  note(key: string): Buffer | undefined {
    return this.#base.metaBytes(`note.${key}`);
  }

  setNote(key: string, value: Buffer): void {
    this.#base.setMeta(`note.${key}`, value);
  }

  /** What a root was when it was last known, also when its row came from the replica (R17). */
  rootIdentity(name: Buffer): Buffer | undefined {
    const node = this.nodes.at(SET_NODE, name);
    const identity = node === undefined ? null : (this.nodes.get(node)?.identity ?? null);
    return identity ?? this.note(rootNote(name));
  }

  /** Why the state is compared with the replica's, until a point is cut of it; undefined when it is not. */
  get healing(): Divergence | undefined {
    const stored = this.note(HEALING)?.toString();
    if (stored === undefined || stored === '') return undefined;
    return divergences.find((known) => known === stored) ?? 'other-history';
  }

  /** The first reason stands: a comparison that broke off makes the state look lost. */
  beginHealing(reason: Divergence): void {
    if (this.healing === undefined) this.setNote(HEALING, Buffer.from(reason));
  }

  endHealing(): void {
    if (this.healing === undefined) return;
    this.setNote(HEALING, Buffer.alloc(0));
    this.#base.commit();
  }

  /** Forgets everything but what the roots were, to be filled from the replica's state; not a sync. */
  clear(): void {
    invariant(
      this.#flight.current === undefined,
      'no sync is in flight while the state is rebuilt',
    );
    for (const { name, node } of this.nodes.children(SET_NODE)) {
      if (node.identity !== null) this.setNote(rootNote(name), node.identity);
    }
    this.#setPosition({ point: 0, chain: Buffer.alloc(32) });
    this.#base.commit();
    for (const table of [
      'node',
      'entry',
      'digest',
      'fingerprint',
      'provisional',
      'orphan',
      'basis',
    ]) {
      this.#base.writing();
      this.#base.db.exec(`DELETE FROM ${table}`);
    }
    this.files.clear();
    this.#base.commit();
  }

  /** Marks the entries that are folders, once every node is there. */
  markFolders(): void {
    this.#base.writing();
    this.#sql.markFolders.run();
  }

  /** The rows are now those of this point. */
  adopt(committed: CommittedPoint): void {
    const newest = this.#sql.newestNode.get() ?? 1;
    this.#nextNode = Math.max(this.#nextNode, newest + 1);
    this.#base.setMeta('nextNode', this.#nextNode);
    this.#setPosition(committed);
    this.#base.commit();
  }

  #setPosition(committed: CommittedPoint): void {
    this.#base.setMeta('point', committed.point);
    this.#base.setMeta('chain', committed.chain);
    this.#base.setMeta('nextNode', this.#nextNode);
    this.files.keep('committed');
  }

  /** Between units of work: commits what has gathered once it is much. Nothing must change while it lasts. */
  breathe(): Promise<void> | undefined {
    return this.#base.breathe();
  }

  /** Before `endSync`: what that flushes is then little, and holds up nothing. */
  flushAhead(): Promise<void> {
    return this.#base.flushAhead();
  }

  flush(): void {
    this.#base.commit();
  }

  close(): void {
    this.#base.close();
  }
}

const HEALING = 'comparing';

function rootNote(name: Buffer): string {
  return `root.${name.toString('hex')}`;
}

function prepare({ db }: StateDatabase) {
  return {
    devices: db.prepare<[], { id: number; dev: number }>('SELECT id, dev FROM device'),
    addDevice: db.prepare('INSERT INTO device (dev) VALUES (?)'),
    renumber: db.prepare('UPDATE device SET dev = ? WHERE id = ?'),
    newestNode: db.prepare<[], number>('SELECT max(id) FROM node').pluck(),
    fingerprint: db
      .prepare<[number], Buffer>('SELECT hash FROM fingerprint WHERE node = ?')
      .pluck(),
    setFingerprint: db.prepare('INSERT OR REPLACE INTO fingerprint VALUES (?, ?, ?)'),
    dropFingerprint: db.prepare('DELETE FROM fingerprint WHERE node = ?'),
    dropFingerprints: db.prepare('DELETE FROM fingerprint'),
    markFolders: db.prepare(
      `UPDATE entry SET folder = 1
       WHERE node IN (SELECT id FROM node WHERE kind = ${nodeKinds.indexOf('folder')})`,
    ),
    addOrphan: db.prepare('INSERT OR IGNORE INTO orphan VALUES (?)'),
    removeOrphan: db.prepare('DELETE FROM orphan WHERE node = ?'),
    anyOrphan: db.prepare<[], number>('SELECT node FROM orphan LIMIT 1').pluck(),
  };
}
