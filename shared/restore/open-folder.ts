/** The folders between a target and where a restore is, and what is known of those still to come. */
import type { NodeVersion } from './node-version.js';
import type { FolderPart } from './point-source.js';

export interface OpenFolder {
  readonly path: Buffer;
  /** Undefined for the set itself, which is no folder on disk. */
  readonly version: NodeVersion | undefined;
  /** Whether it was on disk before. */
  readonly state: 'new' | 'present';
  /** What leads to asked paths and was there keeps its metadata. */
  readonly way: boolean;
  /** Of another file system, or the restore's business otherwise not: nothing is taken out of it. */
  readonly foreign: boolean;
  /** Nothing in it is touched, nor made. */
  readonly spared: boolean;
  /** Metadata is set when the folder is left: it differs, or names in it changed. */
  unsettled: boolean;
}

export class FolderStack {
  readonly #open: OpenFolder[] = [];
  readonly #announced = new Map<string, OpenFolder>();

  /** A folder among its parent's entries, whose own part comes later. */
  announce(folder: OpenFolder): void {
    this.#announced.set(folder.path.toString('latin1'), folder);
  }

  /**
   * Goes to the folder of a part and hands the folders that are now done to `leave`, deepest first.
   * Undefined for a folder that was never announced, because it or one above it failed.
   */
  async enter(
    part: FolderPart,
    leave: (folder: OpenFolder) => Promise<void>,
  ): Promise<OpenFolder | undefined> {
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (top.path.equals(part.path)) return top;
      if (isBelow(part.path, top.path)) break;
      this.#open.pop();
      await leave(top);
    }
    const key = part.path.toString('latin1');
    const folder = this.#announced.get(key);
    if (folder === undefined) return undefined;
    this.#announced.delete(key);
    this.#open.push(folder);
    return folder;
  }

  async leaveAll(leave: (folder: OpenFolder) => Promise<void>): Promise<void> {
    for (let top = this.#open.pop(); top !== undefined; top = this.#open.pop()) await leave(top);
  }
}

function isBelow(path: Buffer, folder: Buffer): boolean {
  if (folder.length === 0) return path.length > 0;
  return (
    path.length > folder.length &&
    path[folder.length] === 0x2f &&
    path.subarray(0, folder.length).equals(folder)
  );
}
