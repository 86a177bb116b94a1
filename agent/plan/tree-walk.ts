/**
 * Compares a set's roots with the state, folder by folder, parents first: a folder whose packed
 * scan has the hash it had is done without a look at its rows; another one is merged with its rows
 * name by name (R24). Memory is bounded by one folder and the path to it.
 */
import { errnoOf, invariant } from '../../shared/errors.js';
import type { ScanEntry } from '../../shared/posix/posix.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { FolderEntry, NamedNode } from '../state/node-table.js';
import { encodeIdentity, encodeStatus, kindOf } from '../state/status.js';
import { isBlind, lookAtMapped } from './mapped-files.js';
import { NamePlanner } from './name-planner.js';
import type { FolderAt, Found, Planned } from './found.js';
import { NodePlanner } from './node-planner.js';
import { OpenFolder } from './open-folder.js';
import { closeRoots, openRoots, setFolder, type OpenRoot } from './open-roots.js';
import { isForeign } from './foreign.js';
import type { PlacingWalk } from './placed-files.js';
import { isYoung, type PlanParts } from './plan-parts.js';
import { ScanAhead } from './scan-ahead.js';
import { RowCursor } from './row-cursor.js';
import { saySmallFile } from './small-file.js';
import { SmallReads } from './small-reads.js';
import type { WalkOptions } from './walk-options.js';
import { walkTargets, type TargetFound, type TargetLooks } from './walk-targets.js';
import type { Target } from '../journal/target.js';

interface Frame {
  readonly folder: OpenFolder;
  children: readonly FolderEntry[];
  next: number;
}

/** What a look at one entry leaves: its folder, if it is one to walk, and whether it is settled. */
interface Looked {
  readonly folder: number | undefined;
  readonly settled: boolean;
}

const skipped: Looked = { folder: undefined, settled: true };
const nothing: TargetFound = { folder: undefined, arrived: false };

export class TreeWalk implements TargetLooks {
  readonly #parts: PlanParts;
  readonly #roots: readonly OpenRoot[];
  readonly #names: NamePlanner;
  readonly #nodes: NodePlanner;
  readonly #ahead: ScanAhead;
  readonly #identity = Buffer.alloc(20);
  readonly #status = Buffer.alloc(48);
  readonly #rootByName: ReadonlyMap<string, OpenRoot>;
  /** Of the folder that is merged. */
  #reads: SmallReads | undefined;
  /** Only folders that changed since they were walked. */
  #again = false;

  /** Opens the roots. @throws AfterimageError `root-missing` */
  constructor(parts: PlanParts) {
    this.#parts = parts;
    this.#roots = openRoots(parts.roots, parts);
    this.#names = new NamePlanner(parts, this.#roots);
    this.#nodes = new NodePlanner(parts, this.#names);
    this.#ahead = new ScanAhead(parts);
    this.#rootByName = new Map(this.#roots.map((root) => [root.name.toString('latin1'), root]));
  }

  async run(options: WalkOptions): Promise<void> {
    this.#nodes.heldFiles.cloner = options.cloner;
    await this.#walkTargets(options.targets);
    if (!options.held && this.#parts.state.anyOrphan() !== undefined) {
      // What is missing may have moved to where the walk had been: look twice (R16).
      this.#again = true;
      await this.#walkTargets(await options.since?.());
      this.#again = false;
    }
    await this.#names.buryOrphans();
    await this.#nodes.heldFiles.settle();
    await this.#parts.blocks.drain();
  }

  /**
   * A folder's own entry for one of its names; nothing below it is looked at. `reported`: something
   * happened to the entry itself, which in memory need not show in its status.
   */
  async lookAt(
    folder: OpenFolder,
    name: Buffer,
    why: { readonly reported: boolean },
  ): Promise<TargetFound> {
    const { state, posix, findings } = this.#parts;
    let row = state.nodes.named(folder.node, name);
    if (why.reported && row?.node.kind === 'file' && isBlind(this.#rootOf(folder))) {
      row = { name, node: { ...row.node, dirty: true } };
      state.nodes.update(row.node);
    }
    let status: ScanEntry['status'];
    try {
      status = posix.lstat(folder.child(name));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (errno === 'ENOENT' && folder.isOpen) {
        await this.#goneFrom(folder, row);
      } else {
        findings.unsettled += 1;
        findings.lookAgain(folder.pathOf(name));
      }
      return nothing;
    }
    const entry = { name, status };
    const kind = kindOf(status.mode);
    let looked = this.#glance(entry, row);
    if (looked === undefined) {
      if (kind === undefined) {
        await this.#goneFrom(folder, row);
        return nothing;
      }
      state.dropFingerprint(folder.node);
      looked = await this.#look({ folder, entry, kind }, row);
      if (!looked.settled) findings.lookAgain(folder.pathOf(name));
    }
    const arrived = looked.folder !== undefined && looked.folder !== row?.node.id;
    return { folder: looked.folder, arrived };
  }

  /** All entries of a folder, and all that lies below those that have not been in it before. */
  async lookInto(folder: OpenFolder): Promise<void> {
    const { state } = this.#parts;
    const before = new Set(state.nodes.childFolders(folder.node).map(({ node }) => node));
    for (const { node, name } of await this.#visit(folder)) {
      if (!before.has(node)) await this.walkBelow(folder.folder(node, name));
    }
  }

  async #goneFrom(folder: OpenFolder, row: NamedNode | undefined): Promise<void> {
    if (row === undefined) return;
    this.#parts.state.dropFingerprint(folder.node);
    await this.#names.gone(folder.node, row);
  }

  /** Reads the files that a walk cloned instead. */
  async readHeldFiles(): Promise<void> {
    await this.#nodes.heldFiles.read();
  }

  /** Names the files read in a held walk that did not stay as they were read. */
  checkHeldReads(): void {
    for (const path of this.#nodes.heldReads.moved(this.#rootByName)) {
      this.#parts.findings.moved(path);
    }
  }

  /** What puts files into the point that are in no root. */
  get placing(): PlacingWalk {
    return { parts: this.#parts, roots: this.#roots, names: this.#names, nodes: this.#nodes };
  }

  close(): void {
    this.#nodes.heldFiles.close();
    this.#reads?.close();
    this.#ahead.close();
    closeRoots(this.#roots);
  }

  async #walkTargets(targets: readonly Target[] | undefined): Promise<void> {
    const roots: OpenFolder[] = [];
    for (const { name, node } of await this.#mergeRoots()) {
      const root = this.#rootByName.get(name.toString('latin1'));
      if (root !== undefined) roots.push(OpenFolder.root({ node, name, fd: root.fd }));
    }
    if (targets !== undefined)
      await walkTargets(this, { roots, targets, pause: this.#parts.pause });
    else for (const root of roots) await this.walkBelow(root);
  }

  /** The set's own entries: one for each root. */
  async #mergeRoots(): Promise<FolderEntry[]> {
    const entries = this.#roots.map(({ name, fd }) => ({
      name,
      status: this.#parts.posix.fstat(fd),
    }));
    const children: FolderEntry[] = [];
    const rows = new RowCursor(this.#parts.state.nodes.children(SET_NODE));
    for (const entry of entries) {
      for (const row of rows.before(entry.name)) await this.#names.gone(SET_NODE, row);
      const root = this.#rootByName.get(entry.name.toString('latin1'));
      if (root === undefined) continue;
      const found = { folder: setFolder(root), entry, kind: 'folder' as const };
      const looked = await this.#look(found, rows.at(entry.name));
      if (looked.folder !== undefined) children.push({ name: entry.name, node: looked.folder });
    }
    for (const row of rows.rest()) await this.#names.gone(SET_NODE, row);
    return children;
  }

  /** A folder with all that lies below it. */
  async walkBelow(root: OpenFolder): Promise<void> {
    if (root.parent === undefined && !this.#again) {
      lookAtMapped(this.#rootOf(root), this.#parts);
      this.#ahead.begin(this.#rootOf(root));
    }
    const stack: Frame[] = [{ folder: root, children: await this.#visit(root), next: 0 }];
    try {
      for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
        const child = frame.children[frame.next++];
        if (child === undefined) {
          frame.folder.close();
          stack.pop();
          continue;
        }
        const next: Frame = {
          folder: frame.folder.folder(child.node, child.name),
          children: [],
          next: 0,
        };
        stack.push(next);
        const children = this.#visit(next.folder);
        next.children = children instanceof Promise ? await children : children;
        const rest = this.#parts.pause.breathe();
        if (rest !== undefined) await rest;
      }
    } finally {
      for (const frame of stack) frame.folder.close();
      if (root.parent === undefined) this.#ahead.close();
    }
  }

  /** Compares one folder's direct children; returns the folders among them. */
  #visit(folder: OpenFolder): FolderEntry[] | Promise<FolderEntry[]> {
    const { state, posix, core, clock } = this.#parts;
    if (this.#again && this.#stayed(folder)) return state.nodes.childFolders(folder.node);
    const ahead = this.#ahead.take(folder);
    const scannedMs = ahead?.scannedMs ?? clock.now();
    let packed: Buffer;
    try {
      packed = ahead?.packed ?? posix.scanFolderPacked(folder.self());
    } catch (error) {
      return this.#couldNotScan(error, folder);
    }
    const hash = core.digest(packed);
    const known = state.fingerprint(folder.node);
    if (known?.equals(hash) === true) return state.nodes.childFolders(folder.node);
    if (known !== undefined) state.dropFingerprint(folder.node);
    // The room of a scan made ahead is used again; names are views of it.
    const own = ahead === undefined ? packed : Buffer.from(packed);
    return this.#merge(folder, posix.unpackScan(own), { scannedMs, hash });
  }

  /** In the second look: nothing was added to or taken from the folder since the first. */
  #stayed(folder: OpenFolder): boolean {
    const { state, posix } = this.#parts;
    const row = state.nodes.get(folder.node);
    // A folder too young at the first look may have changed since without its times moving.
    if (row === undefined || row.dirty || state.fingerprint(folder.node) === undefined)
      return false;
    try {
      return row.status.equals(encodeStatus(posix.lstat(folder.self()), this.#status));
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }

  #couldNotScan(error: unknown, folder: OpenFolder): FolderEntry[] {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    const { findings, state } = this.#parts;
    findings.unsettled += 1;
    state.dropFingerprint(folder.node);
    const vanished = errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP';
    if (vanished) return [];
    findings.unreadable(folder.pathOf());
    findings.lookAgain(folder.pathOf(), 'deep');
    return [];
  }

  async #merge(
    folder: OpenFolder,
    entries: readonly ScanEntry[],
    scan: { readonly scannedMs: number; readonly hash: Buffer },
  ): Promise<FolderEntry[]> {
    const { state, pause } = this.#parts;
    const children: FolderEntry[] = [];
    const known = state.nodes.children(folder.node);
    const rows = new RowCursor(known);
    this.#reads = SmallReads.begin(this.#parts, { folder, entries, known });
    let settled = true;
    for (const entry of entries) {
      for (const row of rows.before(entry.name)) {
        const wait = this.#names.gone(folder.node, row);
        if (wait !== undefined) await wait;
      }
      const row = rows.at(entry.name);
      let looked = this.#glance(entry, row);
      if (looked === undefined) {
        const kind = kindOf(entry.status.mode);
        if (kind === undefined) continue;
        const taken = this.#reads?.take(entry);
        const read = taken instanceof Promise ? await taken : taken;
        const found = { folder, entry, kind };
        // Of files as many as these none has a promise that need not be.
        const isNew = row === undefined && read !== undefined && !this.#isForeign(found);
        const now = isNew ? saySmallFile(this.#parts, found, read) : undefined;
        looked = (now instanceof Promise ? await now : now) ?? (await this.#look(found, row));
        const rest = pause.breathe();
        if (rest !== undefined) await rest;
      }
      if (looked.folder !== undefined) children.push({ name: entry.name, node: looked.folder });
      if (!looked.settled) this.#parts.findings.lookAgain(folder.pathOf(entry.name));
      if (!looked.settled || isYoung(entry.status.ctimeNs, scan.scannedMs)) settled = false;
    }
    for (const row of rows.rest()) {
      const wait = this.#names.gone(folder.node, row);
      if (wait !== undefined) await wait;
    }
    this.#reads?.close();
    if (settled) state.setFingerprint(folder.node, scan.hash);
    return children;
  }

  /** The usual case: the row says what the scan says. Undefined asks for a closer look. */
  #glance(entry: ScanEntry, row: NamedNode | undefined): Looked | undefined {
    if (row === undefined || row.node.dirty || this.#parts.filter.active) return undefined;
    const { node } = row;
    if (node.identity === null) return undefined;
    if (!node.status.equals(encodeStatus(entry.status, this.#status))) return undefined;
    const device = this.#parts.state.device(entry.status.dev);
    if (!node.identity.equals(encodeIdentity(entry.status, device, this.#identity)))
      return undefined;
    return node.kind === 'folder' ? { folder: node.id, settled: true } : skipped;
  }

  async #look(found: Found, row: NamedNode | undefined): Promise<Looked> {
    const { entry, kind, folder } = found;
    if (this.#isForeign(found)) {
      // What lies beneath a mount stays as it was; it is neither seen nor gone.
      return { folder: undefined, settled: row === undefined };
    }
    const { filter } = this.#parts;
    if (filter.active && !filter.takes(folder.pathOf(entry.name), { folder: kind === 'folder' })) {
      if (row !== undefined) await this.#names.gone(folder.node, row);
      return skipped;
    }
    const planned = await this.#plan(found, row);
    const walks = kind === 'folder' && planned.node !== undefined;
    return { folder: walks ? planned.node : undefined, settled: planned.settled };
  }

  async #plan(found: Found, row: NamedNode | undefined): Promise<Planned> {
    const { entry, kind, folder } = found;
    const { state } = this.#parts;
    const place = { parent: folder.node, name: entry.name };
    const identity = encodeIdentity(entry.status, state.device(entry.status.dev));
    // Another name of the same node may have been looked at since the rows were read.
    const node = row === undefined ? undefined : state.nodes.get(row.node.id);
    const here = node?.kind === kind ? node : undefined;
    const isHere = here !== undefined && this.#isTheSame(here, identity);
    if (isHere && state.nodes.at(place.parent, place.name) === here.id) {
      return await this.#refresh(found, here);
    }
    const known = isHere ? here : state.nodes.byIdentity(identity);
    if (known?.kind === kind && (await this.#names.move(known, place, entry.status.nlink))) {
      return await this.#refresh(found, known);
    }
    const planned = await this.#nodes.make(found, kind === 'file' ? here : undefined);
    if (planned.node === undefined) return planned;
    const wait = this.#names.link(place, { id: planned.node, kind });
    if (wait !== undefined) await wait;
    return planned;
  }

  /** A row from the replica has no identity yet: it is matched by its name, unless this is a link to another. */
  #isTheSame(row: NamedNode['node'], identity: Buffer): boolean {
    if (row.identity !== null) return row.identity.equals(identity);
    return this.#parts.state.nodes.byIdentity(identity) === undefined;
  }

  #refresh(found: Found, row: NamedNode['node']): Planned | Promise<Planned> {
    const same =
      !row.dirty &&
      row.identity !== null &&
      row.status.equals(encodeStatus(found.entry.status, this.#status));
    return same ? { node: row.id, settled: true } : this.#nodes.refresh(found, row);
  }

  #isForeign(found: Found): boolean {
    if (found.folder.node === SET_NODE) return false;
    const { ownFolders, sayOnce } = this.#parts;
    const parts = { ownFolders, sayOnce, opened: this.#roots };
    return isForeign(found, this.#rootOf(found.folder), parts);
  }

  #rootOf(folder: FolderAt): OpenRoot {
    const root =
      this.#roots.find(({ name }) => name === folder.rootName) ??
      this.#rootByName.get(folder.rootName.toString('latin1'));
    invariant(root !== undefined, 'a folder of a walk lies under a root');
    return root;
  }
}
