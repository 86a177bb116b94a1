/** Random operations on a tree, from a seed: what applications do to their files, and worse. */
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { loadPosix } from '../../../shared/posix/load-posix.js';

const posix = loadPosix();

/** mulberry32: 32 bits of state, enough for tests. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
  };
}

export class RandomTree {
  readonly #root: string;
  readonly #random: (below: number) => number;
  readonly #sizeMax: number;

  constructor(root: string, seed: number, sizeMax = 400_000) {
    this.#root = root;
    this.#random = randomFrom(seed);
    this.#sizeMax = sizeMax;
  }

  /** One random operation; its name. */
  step(): string {
    const operations: [number, string, () => void][] = [
      [
        5,
        'create',
        () => {
          writeFileSync(this.#free(), this.#bytes());
        },
      ],
      [
        3,
        'mkdir',
        () => {
          mkdirSync(this.#free());
        },
      ],
      [
        4,
        'overwrite',
        () => {
          this.#patch();
        },
      ],
      [
        2,
        'append',
        () => {
          appendFileSync(this.#file(), this.#bytes(5000));
        },
      ],
      [
        2,
        'truncate',
        () => {
          this.#truncate();
        },
      ],
      [
        2,
        'rewrite',
        () => {
          this.#rewrite();
        },
      ],
      [
        4,
        'rename',
        () => {
          renameSync(this.#any(), this.#free());
        },
      ],
      [
        2,
        'replace',
        () => {
          renameSync(this.#file(), this.#file());
        },
      ],
      [
        2,
        'swap',
        () => {
          this.#swap();
        },
      ],
      [
        2,
        'link',
        () => {
          linkSync(this.#file(), this.#free());
        },
      ],
      [
        1,
        'symlink',
        () => {
          symlinkSync(`to-${this.#random(99)}`, this.#free());
        },
      ],
      [
        1,
        'fifo',
        () => {
          posix.mknod(Buffer.from(this.#free()), 0o010644, 0);
        },
      ],
      [
        2,
        'chmod',
        () => {
          chmodSync(this.#file(), 0o600 + this.#random(64));
        },
      ],
      [
        1,
        'touch',
        () => {
          utimesSync(this.#any(), this.#random(1e9), this.#random(1e9));
        },
      ],
      [
        1,
        'xattr',
        () => {
          this.#xattr();
        },
      ],
      [
        3,
        'remove',
        () => {
          rmSync(this.#any(), { recursive: true });
        },
      ],
      [
        1,
        'kind',
        () => {
          this.#changeKind();
        },
      ],
      [
        1,
        'hole',
        () => {
          this.#hole();
        },
      ],
    ];
    const total = operations.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.#random(total);
    for (const [weight, name, operate] of operations) {
      at -= weight;
      if (at >= 0) continue;
      try {
        operate();
      } catch (error) {
        return `${name} (${error instanceof Error ? error.message : ''})`;
      }
      return name;
    }
    return 'nothing';
  }

  #all(): string[] {
    const found: string[] = [];
    const visit = (folder: string): void => {
      for (const name of readdirSync(folder).sort()) {
        const path = join(folder, name);
        found.push(path);
        if (lstatSync(path).isDirectory()) visit(path);
      }
    };
    visit(this.#root);
    return found;
  }

  #pick(paths: string[], what: string): string {
    const path = paths[this.#random(paths.length)];
    if (path === undefined) throw new Error(`no ${what}`);
    return path;
  }

  #any(): string {
    return this.#pick(this.#all(), 'entry');
  }

  #file(): string {
    return this.#pick(
      this.#all().filter((path) => lstatSync(path).isFile()),
      'file',
    );
  }

  #folder(): string {
    return this.#pick(
      [this.#root, ...this.#all().filter((path) => lstatSync(path).isDirectory())],
      'folder',
    );
  }

  #free(): string {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const path = join(this.#folder(), `${'aAbBcC'[this.#random(6)] ?? ''}${this.#random(30)}`);
      if (!existsSync(path)) return path;
    }
    throw new Error('no free name');
  }

  #bytes(sizeMax = this.#sizeMax): Buffer {
    const size =
      this.#random(4) === 0 ? this.#random(sizeMax) : this.#random(Math.min(9000, sizeMax));
    const bytes = Buffer.alloc(size);
    if (this.#random(6) === 0) return bytes;
    const period = 1 + this.#random(3) * 4096;
    for (let at = 0; at < size; at += period) bytes.writeUInt8(this.#random(256), at);
    return bytes;
  }

  #patch(): void {
    const fd = openSync(this.#file(), 'r+');
    for (let times = 0; times <= this.#random(3); times += 1) {
      const bytes = Buffer.alloc(1 + this.#random(6000), this.#random(256));
      writeSync(fd, bytes, 0, bytes.length, this.#random(this.#sizeMax));
    }
    closeSync(fd);
  }

  #truncate(): void {
    const fd = openSync(this.#file(), 'r+');
    ftruncateSync(fd, this.#random(this.#sizeMax));
    closeSync(fd);
  }

  #rewrite(): void {
    const path = this.#file();
    writeFileSync(`${path}~`, this.#bytes());
    renameSync(`${path}~`, path);
  }

  #swap(): void {
    const [a, b] = [this.#any(), this.#any()];
    const between = join(this.#root, 'between');
    renameSync(a, between);
    try {
      renameSync(b, a);
      renameSync(between, b);
    } catch {
      renameSync(between, existsSync(a) ? this.#free() : a);
    }
  }

  #xattr(): void {
    const path = Buffer.from(this.#file());
    posix.setXattr(path, Buffer.from('user.test'), Buffer.from(String(this.#random(99))));
  }

  #changeKind(): void {
    const path = this.#any();
    const folder = lstatSync(path).isDirectory();
    rmSync(path, { recursive: true });
    if (folder) writeFileSync(path, this.#bytes());
    else mkdirSync(path);
  }

  #hole(): void {
    const path = this.#free();
    const fd = openSync(path, 'w');
    writeSync(fd, 'end', this.#random(this.#sizeMax * 2));
    closeSync(fd);
  }
}
