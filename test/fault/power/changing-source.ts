/** Small files by the thousand, of which each turn changes many: an agent's rows are written in masses. */
import fs from 'node:fs';
import path from 'node:path';
import type { Seeded } from '../../support/seeded.js';

const FOLDERS = 40;
const FILE_BYTES_MAX = 3_000;

export class ChangingSource {
  readonly root: string;
  readonly #random: Seeded;
  readonly #files: string[] = [];
  #next = 0;

  constructor(root: string, random: Seeded) {
    this.root = root;
    this.#random = random;
    fs.mkdirSync(root);
    for (let n = 0; n < FOLDERS; n += 1) fs.mkdirSync(path.join(root, `folder-${n}`));
  }

  add(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const file = this.#newName();
      this.#files.push(file);
      this.#write(file);
    }
  }

  /** So many files are written, patched, moved or removed. */
  change(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const at = this.#random.below(this.#files.length);
      const file = this.#files[at];
      if (file === undefined) throw new Error('there are no files');
      if (this.#random.chance(0.8)) this.#write(file);
      else if (this.#random.chance(0.5)) {
        const to = this.#newName();
        fs.renameSync(file, to);
        this.#files[at] = to;
      } else {
        fs.rmSync(file);
        this.#files.splice(at, 1);
        this.add(1);
      }
    }
  }

  #newName(): string {
    const folder = `folder-${this.#random.below(FOLDERS)}`;
    return path.join(this.root, folder, `file-${this.#next++}`);
  }

  #write(file: string): void {
    fs.writeFileSync(file, this.#random.bytes(this.#random.below(FILE_BYTES_MAX)));
  }
}
