/**
 * Files that a held walk does not read: each is cloned as it stands, its name and metadata are said
 * at once, and its content is read from the clone when the application runs again. What cannot be
 * cloned is read while held, as without clones. Descriptors of clones are bounded by the cloner.
 */
import { closeSync } from 'node:fs';
import type { FileStatus } from '../../shared/posix/posix.js';
import type { NodeRow } from '../state/node-row.js';
import type { ContentRequest } from './content-request.js';
import type { FileReading } from './file-reading.js';
import type { NamePlanner } from './name-planner.js';
import type { Found, Planned } from './found.js';
import type { PlanParts } from './plan-parts.js';

export interface FileCloner {
  /**
   * Begins to clone an open file, which must stay open until `done`. Undefined when it is not to be
   * cloned: it is read at once. Resolves when a clone may begin.
   */
  begin(file: ClonedFile): Promise<FileClone | undefined>;
}

export interface ClonedFile {
  readonly fd: number;
  /** Name of the root that it lies under. */
  readonly root: Buffer;
  /** In bytes, as last seen. */
  readonly size: number;
}

export interface FileClone {
  /** False when it could not be cloned. Never rejects. */
  readonly done: Promise<boolean>;
  /** For reading; stays the clone's. Throws the system's error. */
  open(): number;
  /** Leaves nothing behind, whether or not it is done. May be called again. */
  close(): void;
}

/** A file of a walk that is open for reading. */
export interface OpenFile {
  readonly found: Found;
  readonly fd: number;
  /** Of the file itself, when it was opened. */
  readonly status: FileStatus;
  readonly reading: FileReading;
  readonly before: NodeRow | undefined;
  readonly replaced: NodeRow | undefined;
}

/** Where the content of a file is read from. */
export type FileSource = Required<Pick<ContentRequest, 'fd' | 'status' | 'holds'>>;

interface HeldFile {
  readonly file: OpenFile;
  readonly clone: FileClone;
  live: boolean;
}

export class HeldFiles {
  readonly #parts: PlanParts;
  readonly #names: NamePlanner;
  readonly #read: (file: OpenFile, source: FileSource) => Promise<Planned>;
  readonly #files = new Map<number, HeldFile>();
  /** Set for a held walk whose files are not read while held. */
  cloner: FileCloner | undefined;

  constructor(
    parts: PlanParts,
    names: NamePlanner,
    read: (file: OpenFile, source: FileSource) => Promise<Planned>,
  ) {
    this.#parts = parts;
    this.#names = names;
    this.#read = read;
  }

  has(node: number): boolean {
    return this.#files.has(node);
  }

  /** True when the file is read later: then it is closed here. */
  async takes(file: OpenFile): Promise<boolean> {
    const { fd, found, status, reading } = file;
    const { folder, entry } = found;
    const clone = await this.cloner?.begin({ fd, root: folder.rootName, size: status.size });
    if (clone === undefined) return false;
    // A copy, since the name is a view of the whole folder's scan.
    const kept = { ...found, entry: { ...entry, name: Buffer.from(entry.name) } };
    const held: HeldFile = { file: { ...file, found: kept }, clone, live: true };
    this.#files.set(reading.row.id, held);
    void clone.done.then((cloned) => {
      if (cloned) closeLive(held);
    });
    return true;
  }

  /** While held: waits for all clones; files that could not be cloned are read now. */
  async settle(): Promise<void> {
    for (const [node, held] of this.#files) {
      if (await held.clone.done) continue;
      const { fd, status } = held.file;
      try {
        await this.#readInto(held, { fd, status, holds: 'live' });
      } finally {
        this.#drop(node, held);
      }
    }
  }

  /** When the application runs again: reads all that was put off. */
  async read(): Promise<void> {
    for (const [node, held] of this.#files) {
      try {
        await this.#readClone(held);
      } finally {
        this.#drop(node, held);
      }
    }
    await this.#names.buryOrphans();
    await this.#parts.blocks.drain();
  }

  /** Lets go of what was not read. */
  close(): void {
    for (const [node, held] of this.#files) this.#drop(node, held);
  }

  /** Fails when a clone cannot be opened: the point must have what it held. */
  async #readClone(held: HeldFile): Promise<void> {
    const fd = held.clone.open();
    const { size } = this.#parts.posix.fstat(fd);
    const status = { ...held.file.status, size };
    await this.#readInto(held, { fd, status, holds: 'clone' });
  }

  async #readInto(held: HeldFile, source: FileSource): Promise<void> {
    const { state, findings } = this.#parts;
    const { reading, before, found } = held.file;
    const { id } = reading.row;
    // A hold that broke may have let it go again.
    if (state.nodes.get(id) === undefined) return;
    const places = state.nodes.placesOf(id);
    const planned = await this.#read(held.file, source);
    if (planned.settled) return;
    findings.lookAgain(found.folder.pathOf(found.entry.name));
    for (const place of places) {
      state.dropFingerprint(place.parent);
      if (before !== undefined) continue;
      const wait = planned.node === undefined ? this.#names.unlink(place) : undefined;
      if (wait !== undefined) await wait;
    }
  }

  #drop(node: number, held: HeldFile): void {
    this.#files.delete(node);
    closeLive(held);
    held.clone.close();
  }
}

function closeLive(held: HeldFile): void {
  if (!held.live) return;
  held.live = false;
  closeSync(held.file.fd);
}
