/**
 * A folder of a walk, reached from its parent's descriptor: paths longer than PATH_MAX and folders
 * renamed under way are no trouble, and no symbolic link is followed. It is opened when first
 * needed.
 */
import { closeSync, constants, openSync } from 'node:fs';

const slash = Buffer.from('/');
const here = Buffer.from('.');
const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export class OpenFolder {
  readonly node: number;
  readonly name: Buffer;
  /** Name of the root it lies under. */
  readonly rootName: Buffer;
  readonly #parent: OpenFolder | undefined;
  #fd: number | undefined;
  #prefix: Buffer | undefined;

  private constructor(at: { node: number; name: Buffer; parent?: OpenFolder; fd?: number }) {
    this.node = at.node;
    this.name = at.name;
    this.#parent = at.parent;
    this.#fd = at.fd;
    this.rootName = at.parent?.rootName ?? at.name;
  }

  /** `fd` stays its opener's. */
  static root(at: {
    readonly node: number;
    readonly name: Buffer;
    readonly fd: number;
  }): OpenFolder {
    return new OpenFolder(at);
  }

  /** Undefined for a root. */
  get parent(): OpenFolder | undefined {
    return this.#parent;
  }

  folder(node: number, name: Buffer): OpenFolder {
    return new OpenFolder({ node, name, parent: this });
  }

  /** Path of the folder for a system call that does not follow links. */
  self(): Buffer {
    return this.#parent === undefined ? this.child(here) : this.#parent.child(this.name);
  }

  /** False until its own path has been opened. */
  get isOpen(): boolean {
    return this.#fd !== undefined;
  }

  /** Path of an entry for a system call. Opens the folder: throws the system's error. */
  child(name: Buffer): Buffer {
    this.#prefix ??= Buffer.from(`/proc/self/fd/${this.#open()}/`);
    return Buffer.concat([this.#prefix, name]);
  }

  /** Valid until `close`. Opens the folder: throws the system's error. */
  get descriptor(): number {
    return this.#open();
  }

  /** `<root>/<path>` of an entry, or of the folder itself. */
  pathOf(name?: Buffer): Buffer {
    const own = this.#parent === undefined ? this.name : this.#parent.pathOf(this.name);
    return name === undefined ? own : Buffer.concat([own, slash, name]);
  }

  close(): void {
    if (this.#parent === undefined || this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    this.#prefix = undefined;
  }

  #open(): number {
    this.#fd ??= openSync(this.self(), folderFlags);
    return this.#fd;
  }
}
