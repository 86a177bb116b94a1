/** A tree of files in memory, and what one operation makes of it. */
import { SET_NODE } from '../../shared/protocol/records.js';
import { Seeded } from '../support/seeded.js';
import type { CopiedNode, FullCopy } from './full-copy.js';
import { xattrText } from './full-copy.js';
import type { EntryName, Operation } from './operation.js';

export type ModelKind = 'file' | 'folder' | 'symlink' | 'fifo';

/** Never changed in place: states of the tree share them. */
export interface ModelNode {
  readonly id: number;
  readonly kind: ModelKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly content: Buffer;
  readonly target: Buffer;
  readonly xattrs: readonly { readonly name: Buffer; readonly value: Buffer }[];
}

const nothing = Buffer.alloc(0);

/** Random bytes of a salt; salt 0 gives zeros. */
export function saltedBytes(length: number, salt: number): Buffer {
  return salt === 0 ? Buffer.alloc(length) : new Seeded(salt).bytes(length);
}

export class Tree {
  readonly nodes: Map<number, ModelNode>;
  /** folder → name (latin1 of bytes) → node */
  readonly entries: Map<number, Map<string, number>>;
  #clockNs = 1_700_000_000_000_000_000n;

  constructor(
    nodes: Map<number, ModelNode> = new Map(),
    entries = new Map([[SET_NODE, new Map<string, number>()]]),
  ) {
    this.nodes = nodes;
    this.entries = entries;
  }

  /** A state that later operations do not change. */
  snapshot(): Tree {
    const entries = [...this.entries].map(([folder, names]) => [folder, new Map(names)] as const);
    const live = new Set([...this.#names()].map(({ node }) => node));
    return new Tree(new Map([...this.nodes].filter(([id]) => live.has(id))), new Map(entries));
  }

  /** Does an operation; one that makes no sense here does nothing, so that scripts can be cut down. */
  apply(operation: Operation): void {
    switch (operation.do) {
      case 'create':
        this.#create(operation);
        return;
      case 'write':
        this.#write(operation);
        return;
      case 'resize':
        this.#resize(operation);
        return;
      case 'move':
        this.#move(operation.from, operation.to);
        return;
      case 'swap':
        this.#swap(operation.a, operation.b);
        return;
      case 'link':
        if (this.#live(operation.node)?.kind === 'file') this.#place(operation.to, operation.node);
        return;
      case 'remove':
        this.#remove(operation.at);
        return;
      case 'touch':
        this.#touch(operation);
    }
  }

  fullCopy(): FullCopy {
    const copy: FullCopy = new Map();
    const walk = (folder: number, prefix: string): void => {
      for (const [name, id] of this.entries.get(folder) ?? []) {
        const node = this.node(id);
        const path = prefix === '' ? name : `${prefix}/${name}`;
        copy.set(path, copyOf(node));
        if (node.kind === 'folder') walk(id, path);
      }
    };
    walk(SET_NODE, '');
    return copy;
  }

  node(id: number): ModelNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`model node ${id}`);
    return node;
  }

  /** Every name, in a stable order. */
  names(): EntryName[] {
    return [...this.#names()].map(({ folder, name }) => ({ folder, name }));
  }

  *#names(): Generator<{ folder: number; name: string; node: number }> {
    for (const [folder, names] of this.entries)
      for (const [name, node] of names) yield { folder, name, node };
  }

  at({ folder, name }: EntryName): ModelNode | undefined {
    const id = this.entries.get(folder)?.get(name);
    return id === undefined ? undefined : this.node(id);
  }

  /** Whether `folder` is `ancestor` or lies below it. */
  isBelow(folder: number, ancestor: number): boolean {
    if (folder === ancestor) return true;
    for (const child of this.entries.get(ancestor)?.values() ?? [])
      if (this.entries.has(child) && this.isBelow(folder, child)) return true;
    return false;
  }

  #live(id: number): ModelNode | undefined {
    for (const { node } of this.#names()) if (node === id) return this.node(id);
    return undefined;
  }

  #change(id: number, change: Partial<ModelNode>): void {
    this.nodes.set(id, { ...this.node(id), ...change });
  }

  #create(operation: Operation & { do: 'create' }): void {
    const { at, node: id, kind } = operation;
    if (!this.entries.has(at.folder) || this.nodes.has(id)) return;
    const there = this.at(at);
    if (there !== undefined && operation.instead !== true && there.kind === 'folder') return;
    if (there !== undefined) this.#remove(at);
    this.nodes.set(id, {
      id,
      kind,
      mode: operation.mode,
      uid: id % 3 === 0 ? 1000 + id : 0,
      gid: id % 4 === 0 ? 2000 + id : 0,
      mtimeNs: BigInt(operation.mtimeNs),
      content: this.#newContent(operation),
      target: kind === 'symlink' ? Buffer.from(`../${at.name}`, 'latin1') : nothing,
      xattrs: id % 5 === 0 ? [{ name: Buffer.from('user.k'), value: Buffer.from([id & 255]) }] : [],
    });
    if (kind === 'folder') this.entries.set(id, new Map());
    this.#setName(at, id);
  }

  /** A folder's time is that of the last change of its names. */
  #setName({ folder, name }: EntryName, node: number | undefined): void {
    const names = this.entries.get(folder);
    if (node === undefined) names?.delete(name);
    else names?.set(name, node);
    this.#clockNs += 1_000_000_007n;
    if (folder !== SET_NODE) this.#change(folder, { mtimeNs: this.#clockNs });
  }

  #newContent({ kind, bytes, salt, like }: Operation & { do: 'create' }): Buffer {
    if (kind !== 'file') return nothing;
    const twin = like === undefined ? undefined : this.#live(like);
    if (twin?.kind === 'file') return twin.content;
    return saltedBytes(bytes, salt);
  }

  #write({ node, at, bytes, salt, mtimeNs }: Operation & { do: 'write' }): void {
    const file = this.#live(node);
    if (file?.kind !== 'file' || at >= file.content.length) return;
    const content = Buffer.from(file.content);
    saltedBytes(Math.min(bytes, content.length - at), salt).copy(content, at);
    this.#change(node, { content, mtimeNs: BigInt(mtimeNs) });
  }

  #resize({ node, bytes, mtimeNs }: Operation & { do: 'resize' }): void {
    const file = this.#live(node);
    if (file?.kind !== 'file') return;
    const content = Buffer.alloc(bytes);
    file.content.copy(content);
    this.#change(node, { content, mtimeNs: BigInt(mtimeNs) });
  }

  #move(from: EntryName, to: EntryName): void {
    const node = this.at(from);
    if (node === undefined || this.isBelow(to.folder, node.id)) return;
    const there = this.at(to);
    if (there?.id === node.id || (there !== undefined && there.kind === 'folder')) return;
    if (!this.entries.has(to.folder)) return;
    this.#setName(from, undefined);
    this.#place(to, node.id);
  }

  /** Puts a name into a folder; a file of that name loses it. */
  #place(to: EntryName, node: number): void {
    const there = this.at(to);
    if (there?.kind === 'folder') return;
    if (this.entries.has(to.folder)) this.#setName(to, node);
  }

  /** Two names change places, folders included. */
  #swap(a: EntryName, b: EntryName): void {
    const [first, second] = [this.at(a), this.at(b)];
    if (first === undefined || second === undefined || first.id === second.id) return;
    if (this.isBelow(a.folder, second.id) || this.isBelow(b.folder, first.id)) return;
    this.#setName(a, second.id);
    this.#setName(b, first.id);
  }

  #remove(at: EntryName): void {
    const node = this.at(at);
    if (node === undefined) return;
    this.#setName(at, undefined);
    this.#forget(node.id);
  }

  #forget(folder: number): void {
    const names = this.entries.get(folder);
    if (names === undefined) return;
    this.entries.delete(folder);
    for (const child of names.values()) this.#forget(child);
  }

  #touch({ node, mode, mtimeNs }: Operation & { do: 'touch' }): void {
    if (this.#live(node) !== undefined) this.#change(node, { mode, mtimeNs: BigInt(mtimeNs) });
  }
}

function copyOf(node: ModelNode): CopiedNode {
  return {
    node: node.id,
    kind: node.kind,
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    mtimeNs: node.mtimeNs,
    rdev: 0,
    content: node.content,
    target: node.target.toString('latin1'),
    xattrs: xattrText([...node.xattrs]),
  };
}
