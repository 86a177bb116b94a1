/** The pages of a sync for files patched in place: one append-only file in the intent. */
import fs from 'node:fs';
import path from 'node:path';
import { invariant } from '../../shared/errors.js';
import { readFully } from '../history/read-block.js';
import { writeFully } from '../history/packs.js';

export class PagesFile {
  readonly #fd: number;
  #end: number;

  /** Opens `pages` in the intent's folder, to append. */
  constructor(intentFolder: string) {
    this.#fd = fs.openSync(
      path.join(intentFolder, 'pages'),
      fs.constants.O_RDWR | fs.constants.O_CREAT,
      0o600,
    );
    this.#end = fs.fstatSync(this.#fd).size;
  }

  /** Bytes of the file. */
  get end(): number {
    return this.#end;
  }

  append(bytes: Uint8Array): number {
    const offset = this.#end;
    writeFully(this.#fd, bytes, offset);
    this.#end += bytes.length;
    return offset;
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    const read = readFully(this.#fd, bytes, offset);
    invariant(read === length, `pages [${offset}, ${offset + length}) end at ${offset + read}`);
    return bytes;
  }

  flush(): void {
    fs.fdatasyncSync(this.#fd);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}
