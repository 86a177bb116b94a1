/**
 * A new file below a restore root, written under a name of its own and given its real one when all of
 * it is on disk: nobody takes half of it for the whole. Nothing that is there is replaced.
 */
import fs from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import { below } from '../../shared/restore/folder-cursor.js';
import { openRestoreFolder, placeBelow } from '../../shared/restore/target-folder.js';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants;

export class NewFile {
  readonly #folder: number;
  readonly #name: Buffer;
  readonly #part: Buffer;
  #handle: FileHandle | undefined;
  #bytes = 0;
  #finished = false;

  private constructor(place: {
    readonly folder: number;
    readonly name: Buffer;
    readonly part: Buffer;
  }) {
    this.#folder = place.folder;
    this.#name = place.name;
    this.#part = place.part;
  }

  /** Throws `target-refused` for a path that lies below no root, or names a root itself. */
  static check(roots: readonly string[], path: string): Buffer {
    const name = placeBelow(roots, path).names.at(-1);
    if (name !== undefined) return name;
    throw new AfterimageError('target-refused', `${path} is a folder`, { facts: { path } });
  }

  /**
   * `mark` tells parts of different jobs apart; an older part of the same mark is removed. Throws
   * `target-refused`, `target-not-empty` when the name is taken, system errors.
   */
  static create(
    roots: readonly string[],
    { path, mark }: { readonly path: string; readonly mark: string },
  ): NewFile {
    const name = NewFile.check(roots, path);
    const folder = openRestoreFolder(roots, path.slice(0, path.lastIndexOf('/')));
    const part = Buffer.from(`.afterimage-${mark}.part`);
    fs.rmSync(below(folder, part), { force: true });
    const file = new NewFile({ folder, name, part });
    if (!file.#isTaken()) return file;
    fs.closeSync(folder);
    throw new AfterimageError('target-not-empty', `${path} is there already`, { facts: { path } });
  }

  get bytes(): number {
    return this.#bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#handle ??= await open(
      below(this.#folder, this.#part),
      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
      0o600,
    );
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, at);
      at += bytesWritten;
    }
    this.#bytes += bytes.length;
  }

  /** Durable and named when it resolves. Throws `target-not-empty` when the name was taken meanwhile. */
  async finish(): Promise<void> {
    await this.write(Buffer.alloc(0));
    await this.#handle?.sync();
    try {
      fs.linkSync(below(this.#folder, this.#part), below(this.#folder, this.#name));
    } catch (cause) {
      if (errnoOf(cause) !== 'EEXIST') throw cause;
      throw new AfterimageError('target-not-empty', 'a file of this name came meanwhile', {
        cause,
      });
    }
    fs.unlinkSync(below(this.#folder, this.#part));
    fs.fsyncSync(this.#folder);
    this.#finished = true;
  }

  /** What was not finished is removed. */
  async close(): Promise<void> {
    await this.#handle?.close();
    if (!this.#finished) fs.rmSync(below(this.#folder, this.#part), { force: true });
    fs.closeSync(this.#folder);
  }

  #isTaken(): boolean {
    return fs.lstatSync(below(this.#folder, this.#name), { throwIfNoEntry: false }) !== undefined;
  }
}
