/** Carries out single steps of a restore on disk, by folder descriptors (R23). */
import { closeSync, linkSync, mkdirSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../errors.js';
import type { ContentFrame } from '../api/content.js';
import { blockCount } from '../limits.js';
import type { FileStatus } from '../posix/posix.js';
import type { NodeVersion } from './node-version.js';
import { rangeBytes } from './compare-file.js';
import { FileWriter } from './file-writer.js';
import { below, FolderCursor, type LocateRoot } from './folder-cursor.js';
import { statusIfThere } from './local-folder.js';
import { type MetadataSetter, setMetadata } from './metadata.js';
import type { Outcome } from './outcome.js';
import { kindOf, typeBits } from './plan.js';
import { removeTree, type Spared, type Spares } from './remove-tree.js';
import { moveAside, openOrMake, renameAside } from './set-aside.js';
import { splitPath } from './set-path.js';
import { SmallFiles } from './small-files.js';
import type { Step } from './step.js';
import { writeWhole } from './whole-file.js';

export type StepOf<Type extends Step['type']> = Step & { readonly type: Type };
export type Frames = AsyncIterable<ContentFrame>;

const dot = Buffer.from('.');
/** What a user or file system that cannot make a kind of node answers. */
const cannotMake: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
const cannotLink: ReadonlySet<string> = new Set(['EXDEV', 'EMLINK', 'EPERM']);

/** What steps need that keep or set aside what is there. */
export interface KeepingRules {
  readonly spares?: Spares | undefined;
  readonly label: string;
  /** Where `move` takes things: a folder of this name in their root. */
  readonly asideFolder: Buffer;
}

export class StepRunner {
  readonly #setter: MetadataSetter;
  readonly #outcome: Outcome;
  readonly #locateRoot: LocateRoot;
  readonly #keeping: KeepingRules;
  readonly #cursor: FolderCursor;
  /** Links point back to folders that were left, so they have a cursor of their own. */
  readonly #linkCursor: FolderCursor;
  readonly #small: SmallFiles;

  constructor(context: {
    readonly setter: MetadataSetter;
    readonly outcome: Outcome;
    readonly locateRoot: LocateRoot;
    readonly keeping: KeepingRules;
  }) {
    this.#keeping = context.keeping;
    this.#setter = context.setter;
    this.#outcome = context.outcome;
    this.#locateRoot = context.locateRoot;
    this.#cursor = new FolderCursor(context.locateRoot);
    this.#linkCursor = new FolderCursor(context.locateRoot);
    this.#small = new SmallFiles({
      ...context,
      openFolder: (path) => this.#cursor.at(path),
    });
  }

  /** Makes the files that were gathered; before any step that is not a file, and at the end. */
  flush(): void {
    this.#small.flush();
  }

  close(): void {
    this.#cursor.close();
    this.#linkCursor.close();
  }

  /** What is gone already, since somebody else works there, is as it should be. */
  remove(step: StepOf<'remove'>): void {
    try {
      this.#remove(step);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  #remove(step: StepOf<'remove'>): void {
    const { folder, name } = this.#locate(step.path, this.#cursor);
    const { posix } = this.#setter;
    if (step.extent === 'tree') removeTree(posix, folder, name, this.#spared(step.path));
    else this.#removeOne(below(folder, name));
  }

  rename(step: StepOf<'rename'>): void {
    const { folder, name } = this.#locate(step.path, this.#cursor);
    renameAside(this.#setter.posix, folder, name, this.#keeping.label);
  }

  move(step: StepOf<'move'>): void {
    const { label, asideFolder } = this.#keeping;
    const from = this.#locate(step.path, this.#cursor);
    const [root = Buffer.alloc(0), ...names] = splitPath(step.path);
    let to = openOrMake(this.#linkCursor.at(root), asideFolder);
    try {
      for (const name of names.slice(0, -1)) {
        const child = openOrMake(to, name);
        closeSync(to);
        to = child;
      }
      moveAside(this.#setter.posix, { from, to, label, spared: this.#spared(step.path) });
    } finally {
      closeSync(to);
    }
  }

  folder(step: StepOf<'folder'>): void {
    mkdirSync(this.#pathOf(step.path), { mode: 0o700 });
  }

  make(step: StepOf<'make'>): void {
    const { version } = step;
    const path = this.#pathOf(step.path);
    if (version.kind === 'symlink') {
      symlinkSync(version.target, path);
    } else {
      try {
        this.#setter.posix.mknod(path, typeBits(version.kind) | 0o600, version.rdev);
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === undefined || !cannotMake.has(errno)) throw error;
        this.#outcome.notes.add(`${kindWords[version.kind]} do not come back: ${errno}`);
        return;
      }
    }
    setMetadata(this.#setter, path, version, { node: 'new' });
  }

  /** `copied` when the file systems refuse a link and the caller has to write a copy. */
  link(step: StepOf<'link'>): 'linked' | 'kept' | 'copied' {
    const from = this.#locate(step.to, this.#linkCursor);
    const fromPath = below(from.folder, from.name);
    const to = this.#locate(step.path, this.#cursor);
    const path = below(to.folder, to.name);
    const { posix } = this.#setter;
    const there = statusIfThere(posix, path);
    if (there !== undefined) {
      if (isSameInode(there, posix.lstat(fromPath))) return 'kept';
      if (kindOf(there.mode) === 'folder')
        removeTree(posix, to.folder, to.name, this.#spared(step.path));
      else unlinkSync(path);
    }
    try {
      linkSync(fromPath, path);
      return 'linked';
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined || !cannotLink.has(errno)) throw error;
      this.#outcome.notes.add(`hard links become copies: ${errno}`);
      return 'copied';
    }
  }

  /** A file of which a block fails is deleted again: no file stands that is not what it was. */
  async file(step: StepOf<'file'>, frames: Frames): Promise<void> {
    const { version, over } = step;
    if (over === undefined && this.#small.takes(step.path, version)) {
      await this.#small.add(step.path, version, frames);
      return;
    }
    const { folder, name } = this.#locate(step.path, this.#cursor);
    if (over !== undefined) {
      const { label } = this.#keeping;
      const take = (writer: FileWriter, frame: ContentFrame): void => {
        this.#take(writer, frame, version);
      };
      const whole = { folder, name, version, label, over, take };
      const put = await writeWhole(this.#setter, whole, frames);
      if (put === 'spared') this.#outcome.notes.add('a file appeared meanwhile and was left');
      return;
    }
    const path = below(folder, name);
    const writer = new FileWriter({ path, size: version.size, state: 'new' });
    try {
      if (version.size > 0) for await (const frame of frames) this.#take(writer, frame, version);
      writer.checkWhole(blockCount(version.size));
      writer.setSize();
      setMetadata(this.#setter, path, version, { node: 'new', fd: writer.fd });
    } catch (error) {
      unlinkSync(path);
      throw error;
    } finally {
      writer.close();
    }
  }

  async patch(step: StepOf<'patch'>, frames: Frames): Promise<void> {
    const { version } = step;
    const path = this.#pathOf(step.path);
    const writer = this.#openPresent(path, version);
    try {
      for await (const frame of frames) this.#take(writer, frame, version);
      writer.checkWhole(step.ranges.reduce((sum, range) => sum + range.count, 0));
    } finally {
      writer.close();
    }
  }

  settle(step: StepOf<'settle'>): void {
    const { version, state } = step;
    const path =
      version.kind === 'folder' ? below(this.#cursor.at(step.path), dot) : this.#pathOf(step.path);
    if (version.kind === 'file' && this.#setter.posix.lstat(path).size !== version.size) {
      const writer = this.#openPresent(path, version);
      try {
        writer.setSize();
      } finally {
        writer.close();
      }
    }
    setMetadata(this.#setter, path, version, { node: state });
  }

  #take(writer: FileWriter, frame: ContentFrame, version: NodeVersion): void {
    const before = writer.bytesWritten;
    writer.take(frame);
    this.#outcome.bytesWritten += writer.bytesWritten - before;
    this.#outcome.advance({ bytes: frameBytes(frame, version.size) });
  }

  /** A file that its owner may not write is made writable first; its mode comes back at the end. */
  #openPresent(path: Buffer, version: NodeVersion): FileWriter {
    const file = { path, size: version.size, state: 'present' } as const;
    try {
      return new FileWriter(file);
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') throw error;
      this.#setter.posix.setMode(path, 0o600);
      return new FileWriter(file);
    }
  }

  #spared(path: Buffer): Spared | undefined {
    const { spares } = this.#keeping;
    return spares && { path, spares };
  }

  #pathOf(path: Buffer): Buffer {
    const { folder, name } = this.#locate(path, this.#cursor);
    return below(folder, name);
  }

  #locate(path: Buffer, cursor: FolderCursor): { readonly folder: number; readonly name: Buffer } {
    const cut = path.lastIndexOf(0x2f);
    if (cut < 0) {
      const { fd, name } = this.#locateRoot(path);
      return { folder: fd, name };
    }
    return { folder: cursor.at(path.subarray(0, cut)), name: path.subarray(cut + 1) };
  }

  #removeOne(path: Buffer): void {
    if (kindOf(this.#setter.posix.lstat(path).mode) === 'folder') rmdirSync(path);
    else unlinkSync(path);
  }
}

const kindWords = {
  file: 'files',
  folder: 'folders',
  symlink: 'symbolic links',
  fifo: 'FIFOs',
  socket: 'sockets',
  char: 'character devices',
  block: 'block devices',
} as const;

function isSameInode(a: FileStatus, b: FileStatus): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

function frameBytes(frame: ContentFrame, size: number): number {
  if (frame.type === 'block' || frame.type === 'run') return frame.bytes.length;
  if (frame.type === 'failed') return 0;
  return rangeBytes([{ first: frame.block, count: frame.count }], size);
}
