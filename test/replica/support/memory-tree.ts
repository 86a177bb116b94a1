/** The tree of one point of a memory set, and ways to change it. Paths are text in latin1: bytes. */
import { SET_NODE, type NodeKind } from '../../../shared/protocol/records.js';
import type { NodeVersion, TreeEntry, WalkedEntry } from '../../../replica/history/set-reader.js';

export type Metadata = Partial<
  Pick<NodeVersion, 'mode' | 'uid' | 'gid' | 'mtimeNs' | 'rdev' | 'xattrs'>
>;

const nothing = Buffer.alloc(0);
const defaultTimeNs = 1_900_000_000_123_456_789n;

export class MemoryTree {
  readonly #point: number;
  #folders = new Map<number, Map<string, number>>([[SET_NODE, new Map()]]);
  #versions = new Map<number, NodeVersion>();
  #contents = new Map<number, Buffer>();
  #nextNode = SET_NODE + 1;
  #named: Set<number> | undefined;

  constructor(point: number) {
    this.#point = point;
    this.#put(SET_NODE, 'folder', {});
  }

  next(point: number): MemoryTree {
    const tree = new MemoryTree(point);
    tree.#folders = new Map([...this.#folders].map(([node, names]) => [node, new Map(names)]));
    tree.#versions = new Map(this.#versions);
    tree.#contents = new Map(this.#contents);
    tree.#nextNode = this.#nextNode;
    return tree;
  }

  folder(path: string, metadata: Metadata = {}): this {
    const node = this.#nodeFor(path, 'folder');
    if (!this.#folders.has(node)) this.#folders.set(node, new Map());
    this.#put(node, 'folder', metadata);
    return this;
  }

  file(path: string, content: Buffer | string, metadata: Metadata = {}): this {
    const node = this.#nodeFor(path, 'file');
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    this.#contents.set(node, bytes);
    this.#put(node, 'file', metadata, { size: bytes.length });
    return this;
  }

  symlink(path: string, target: string, metadata: Metadata = {}): this {
    const node = this.#nodeFor(path, 'symlink');
    this.#put(node, 'symlink', metadata, { target: Buffer.from(target, 'latin1') });
    return this;
  }

  special(path: string, kind: 'fifo' | 'socket' | 'char' | 'block', metadata: Metadata = {}): this {
    this.#put(this.#nodeFor(path, kind), kind, metadata);
    return this;
  }

  /** Another name of what stands at `existing`. */
  link(path: string, existing: string): this {
    const { names, name } = this.#parentOf(path);
    names.set(name, this.node(existing));
    return this;
  }

  remove(path: string): this {
    const { names, name } = this.#parentOf(path);
    names.delete(name);
    return this;
  }

  rename(from: string, to: string): this {
    return this.link(to, from).remove(from);
  }

  node(path: string): number {
    const node = this.find(Buffer.from(path, 'latin1'));
    if (node === undefined) throw new Error(`no ${path} in the tree`);
    return node;
  }

  find(path: Buffer): number | undefined {
    if (path.length === 0) return SET_NODE;
    let node: number | undefined = SET_NODE;
    for (const name of path.toString('latin1').split('/')) {
      node = this.#folders.get(node)?.get(name);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** Undefined for a node that has no name any more. */
  version(node: number): NodeVersion | undefined {
    this.#named ??= new Set([SET_NODE, ...this.walk().map((entry) => entry.version.node)]);
    return this.#named.has(node) ? this.#versions.get(node) : undefined;
  }

  content(node: number): Buffer {
    return this.#contents.get(node) ?? nothing;
  }

  list(folder: number): TreeEntry[] {
    return [...(this.#folders.get(folder) ?? [])]
      .map(([name, node]) => ({
        parent: folder,
        name: Buffer.from(name, 'latin1'),
        version: this.#versionOf(node),
      }))
      .sort((a, b) => Buffer.compare(a.name, b.name));
  }

  walk(folder: number = SET_NODE, prefix: Buffer = nothing): WalkedEntry[] {
    return this.list(folder).flatMap((entry) => {
      const path =
        prefix.length === 0 ? entry.name : Buffer.concat([prefix, Buffer.from('/'), entry.name]);
      const below = entry.version.kind === 'folder' ? this.walk(entry.version.node, path) : [];
      return [{ ...entry, path }, ...below];
    });
  }

  files(): NodeVersion[] {
    const nodes = new Map(this.walk().map(({ version }) => [version.node, version]));
    return [...nodes.values()].filter(({ kind }) => kind === 'file');
  }

  roots(): string[] {
    return [...(this.#folders.get(SET_NODE)?.keys() ?? [])];
  }

  #versionOf(node: number): NodeVersion {
    const version = this.#versions.get(node);
    if (version === undefined) throw new Error(`node ${node} has no version`);
    return version;
  }

  #nodeFor(path: string, kind: NodeKind): number {
    const { names, name } = this.#parentOf(path);
    const existing = names.get(name);
    if (existing !== undefined && this.#versions.get(existing)?.kind === kind) return existing;
    const node = this.#nextNode;
    this.#nextNode += 1;
    names.set(name, node);
    return node;
  }

  #parentOf(path: string): { readonly names: Map<string, number>; readonly name: string } {
    this.#named = undefined;
    const cut = path.lastIndexOf('/');
    const parent = cut < 0 ? SET_NODE : this.node(path.slice(0, cut));
    const names = this.#folders.get(parent);
    if (names === undefined) throw new Error(`${path} has no parent folder`);
    return { names, name: path.slice(cut + 1) };
  }

  #put(
    node: number,
    kind: NodeKind,
    metadata: Metadata,
    content: { readonly size?: number; readonly target?: Buffer } = {},
  ): void {
    this.#versions.set(node, {
      node,
      kind,
      mode: kind === 'folder' ? 0o755 : kind === 'symlink' ? 0o777 : 0o644,
      uid: 0,
      gid: 0,
      size: 0,
      mtimeNs: defaultTimeNs + BigInt(node),
      rdev: 0,
      target: nothing,
      xattrs: [],
      ...metadata,
      ...content,
      born: this.#point,
    });
  }
}
