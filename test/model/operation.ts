/** What an application does to its files, as plain values: a script of them can be printed and cut down. */
import { SET_NODE } from '../../shared/protocol/records.js';
import type { Seeded } from '../support/seeded.js';
import type { ModelKind, ModelNode, Tree } from './tree.js';

/** A name in a folder; the folder is a node, the name is latin1 of its bytes. */
export interface EntryName {
  readonly folder: number;
  readonly name: string;
}

export type Operation =
  | {
      readonly do: 'create';
      readonly at: EntryName;
      readonly node: number;
      readonly kind: ModelKind;
      readonly mode: number;
      readonly mtimeNs: string;
      readonly bytes: number;
      /** Seeds the content; 0 for zeros. */
      readonly salt: number;
      /** Has the content of this file instead. */
      readonly like?: number;
      /** A folder of that name goes first, with all it holds. */
      readonly instead?: boolean;
    }
  | {
      readonly do: 'write';
      readonly node: number;
      readonly at: number;
      readonly bytes: number;
      readonly salt: number;
      readonly mtimeNs: string;
    }
  | {
      readonly do: 'resize';
      readonly node: number;
      readonly bytes: number;
      readonly mtimeNs: string;
    }
  | { readonly do: 'move'; readonly from: EntryName; readonly to: EntryName }
  | { readonly do: 'swap'; readonly a: EntryName; readonly b: EntryName }
  | { readonly do: 'link'; readonly node: number; readonly to: EntryName }
  | { readonly do: 'remove'; readonly at: EntryName }
  | {
      readonly do: 'touch';
      readonly node: number;
      readonly mode: number;
      readonly mtimeNs: string;
    };

/** Few, so that names come back: most of what can go wrong with names needs one that was used before. */
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f\xff\n'];
const PAGE = 4096;
const BLOCK = 65_536;

export class RandomOperations {
  readonly #random: Seeded;
  readonly #tree: Tree;
  #nextNode = SET_NODE + 1;

  /** Operations that make sense on the tree as it is; the caller applies them. */
  constructor(random: Seeded, tree: Tree) {
    this.#random = random;
    this.#tree = tree;
  }

  next(): Operation {
    for (;;) {
      const operation = this.#try();
      if (operation !== undefined) return operation;
    }
  }

  #try(): Operation | undefined {
    const roll = this.#random.below(100);
    if (this.#tree.names().length < 4 || roll < 20) return this.#create();
    if (roll < 40) return this.#write();
    if (roll < 48) return this.#resize();
    if (roll < 62) return this.#move();
    if (roll < 69) return this.#swap();
    if (roll < 75) return this.#link();
    if (roll < 82) return this.#saveAndRemove();
    if (roll < 89) return this.#recreate();
    if (roll < 93) return this.#invert();
    return this.#touch();
  }

  #create(at = this.#place(), instead = false): Operation {
    const roll = this.#random.below(20);
    const kind = roll < 12 ? 'file' : roll < 17 ? 'folder' : roll < 19 ? 'symlink' : 'fifo';
    const like = this.#random.chance(0.15) ? this.#file()?.id : undefined;
    const node = this.#nextNode;
    this.#nextNode += 1;
    return {
      do: 'create',
      at,
      node,
      kind,
      mode: this.#random.below(0o10000),
      mtimeNs: this.#time(),
      bytes: kind === 'file' ? this.#size() : 0,
      salt: this.#random.chance(0.1) ? 0 : 1 + this.#random.below(1_000_000),
      ...(like === undefined ? {} : { like }),
      ...(instead ? { instead } : {}),
    };
  }

  #write(): Operation | undefined {
    const file = this.#file();
    if (file === undefined || file.content.length === 0) return undefined;
    const last = file.content.length - 1;
    // Often the same few pages, so that their history gets long.
    const at = this.#random.chance(0.4)
      ? Math.min(last, this.#random.below(3) * PAGE)
      : this.#random.below(last + 1);
    return {
      do: 'write',
      node: file.id,
      at,
      bytes: this.#random.pick([1, 100, PAGE, 9000, BLOCK]),
      salt: this.#random.chance(0.15) ? 0 : 1 + this.#random.below(1_000_000),
      mtimeNs: this.#time(),
    };
  }

  #resize(): Operation | undefined {
    const file = this.#file();
    if (file === undefined) return undefined;
    return { do: 'resize', node: file.id, bytes: this.#size(), mtimeNs: this.#time() };
  }

  #move(): Operation | undefined {
    const from = this.#name();
    return from === undefined ? undefined : { do: 'move', from, to: this.#place() };
  }

  #swap(): Operation | undefined {
    const [a, b] = [this.#name(), this.#name()];
    return a === undefined || b === undefined ? undefined : { do: 'swap', a, b };
  }

  #link(): Operation | undefined {
    const file = this.#file();
    return file === undefined ? undefined : { do: 'link', node: file.id, to: this.#place() };
  }

  /** A name goes, most often a folder; what should be saved out of it was moved before, or is not. */
  #saveAndRemove(): Operation | undefined {
    const folders = this.#tree.names().filter((at) => this.#tree.at(at)?.kind === 'folder');
    const at =
      folders.length > 0 && this.#random.chance(0.6) ? this.#random.pick(folders) : this.#name();
    if (at === undefined) return undefined;
    const inside = [...(this.#tree.entries.get(this.#tree.at(at)?.id ?? 0)?.keys() ?? [])];
    if (inside.length > 0 && this.#random.chance(0.5)) {
      const from = { folder: this.#tree.at(at)?.id ?? 0, name: this.#random.pick(inside) };
      return { do: 'move', from, to: this.#place() };
    }
    return { do: 'remove', at };
  }

  /** Something else, often of another kind, has the name now. */
  #recreate(): Operation | undefined {
    const at = this.#name();
    return at === undefined ? undefined : this.#create(at, true);
  }

  /** A folder comes out of the one it is in; the other one can follow into it. */
  #invert(): Operation | undefined {
    const inner = this.#tree
      .names()
      .filter((at) => at.folder !== SET_NODE && this.#tree.at(at)?.kind === 'folder');
    if (inner.length === 0) return this.#moveIntoFolder();
    const from = this.#random.pick(inner);
    const free = NAMES.filter((name) => this.#tree.at({ folder: SET_NODE, name }) === undefined);
    if (free.length === 0) return undefined;
    return { do: 'move', from, to: { folder: SET_NODE, name: this.#random.pick(free) } };
  }

  #moveIntoFolder(): Operation | undefined {
    const from = this.#name();
    const folders = [...this.#tree.entries.keys()].filter((id) => id !== SET_NODE);
    if (from === undefined || folders.length === 0) return undefined;
    const to = { folder: this.#random.pick(folders), name: this.#random.pick(NAMES) };
    return { do: 'move', from, to };
  }

  #touch(): Operation | undefined {
    const at = this.#name();
    const node = at === undefined ? undefined : this.#tree.at(at);
    if (node === undefined) return undefined;
    const mode = this.#random.below(0o10000);
    return { do: 'touch', node: node.id, mode, mtimeNs: this.#time() };
  }

  #place(): EntryName {
    const folder = this.#random.pick([...this.#tree.entries.keys()]);
    return { folder, name: this.#random.pick(NAMES) };
  }

  #name(): EntryName | undefined {
    const names = this.#tree.names();
    return names.length === 0 ? undefined : this.#random.pick(names);
  }

  #file(): ModelNode | undefined {
    const files = this.#tree
      .names()
      .map((at) => this.#tree.at(at))
      .filter((node) => node?.kind === 'file');
    return files.length === 0 ? undefined : this.#random.pick(files);
  }

  #size(): number {
    const roll = this.#random.below(10);
    if (roll < 1) return 0;
    if (roll < 5) return this.#random.below(3 * PAGE);
    if (roll < 6) return PAGE * this.#random.below(40);
    if (roll < 8) return this.#random.below(BLOCK);
    return this.#random.below(3 * BLOCK);
  }

  /** ns since the epoch, some before it. */
  #time(): string {
    const seconds = this.#random.below(2_000_000_000) - (this.#random.chance(0.1) ? 2e9 : 0);
    return String(BigInt(seconds) * 1_000_000_000n + BigInt(this.#random.below(1_000_000_000)));
  }
}
