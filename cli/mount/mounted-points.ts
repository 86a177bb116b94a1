/** The whole tree of a mount: what is above the points, and the points, as the kernel asks for them. */
import { constants } from 'node:os';
import type { LinkedNode } from '../../shared/api/nodes.js';
import { parsePathText, toPathText } from '../../shared/path-text.js';
import type { FileAt } from './block-fetch.js';
import type { Attributes, EntryShown, NodeId, SpaceShown } from './fuse-protocol.js';
import type { MountedTree, NamedEntry, OpenFolder } from './fuse-session.js';
import type { Holes } from './holes.js';
import type { Layout } from './layout.js';
import { attributesOf, LASTING_S } from './node-attributes.js';
import type { PointContent } from './point-content.js';
import type { ListedPage, MountedPoint, PointTree } from './point-tree.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import { FuseError } from './trouble.js';

const { EINVAL, EISDIR } = constants.errno;
const OVERLAY_PREFIX = 'trusted.overlay.';

export interface MountedParts {
  readonly layout: Layout;
  readonly tree: PointTree;
  readonly content: PointContent;
  readonly holes: Holes;
  /** What the file system says it holds. */
  readonly space: SpaceShown;
  /** Attributes that an overlay above would take for its own are left out. */
  readonly overlaid: 'plain' | 'below-overlay';
}

interface Place {
  readonly at: MountedPoint;
  readonly node: number;
}

export class MountedPoints implements MountedTree {
  readonly #parts: MountedParts;

  constructor(parts: MountedParts) {
    this.#parts = parts;
  }

  async lookup(parent: NodeId, name: Buffer): Promise<EntryShown | undefined> {
    const place = this.#parts.layout.place(parent);
    if (place === undefined) return this.#parts.layout.lookup(parent, name.toString());
    const node = await this.#parts.tree.named(place.at, place.node, name);
    return node === undefined ? undefined : this.#entry(place.at, node);
  }

  absentValidS(parent: NodeId): number {
    return this.#parts.layout.place(parent) === undefined ? 0 : LASTING_S;
  }

  async attributes(id: NodeId): Promise<Attributes> {
    const place = this.#parts.layout.place(id);
    if (place === undefined) return this.#parts.layout.attributes(id);
    const shown = attributesOf(id, await this.#node(place));
    if (place.node !== SET_NODE) return shown;
    const timeMs = this.#parts.layout.timeMsOf(place.at);
    return { ...shown, mtimeS: Math.floor(timeMs / 1000), mtimeNs: (timeMs % 1000) * 1_000_000 };
  }

  async readLink(id: NodeId): Promise<Buffer> {
    const place = this.#parts.layout.place(id);
    if (place === undefined) return this.#parts.layout.readLink(id);
    const { target } = await this.#node(place);
    if (target === undefined) throw new FuseError(EINVAL);
    return parsePathText(target);
  }

  async openFolder(id: NodeId): Promise<OpenFolder> {
    const place = this.#parts.layout.place(id);
    if (place === undefined) return this.#parts.layout.openFolder(id);
    return new PointFolder(
      (after) => this.#parts.tree.page(place.at, place.node, after),
      (node) => this.#entry(place.at, node),
    );
  }

  async read(
    id: NodeId,
    range: { readonly offset: number; readonly length: number },
  ): Promise<Buffer[]> {
    return this.#parts.content.read(await this.#file(id), range);
  }

  async seek(
    id: NodeId,
    from: { readonly offset: number; readonly what: 'data' | 'hole' },
  ): Promise<number> {
    return this.#parts.holes.seek(await this.#file(id), from);
  }

  async xattr(id: NodeId, name: Buffer): Promise<Buffer | undefined> {
    const text = toPathText(name);
    const found = (await this.#xattrs(id)).find((one) => one.name === text);
    return found === undefined ? undefined : Buffer.from(found.value, 'base64');
  }

  async xattrNames(id: NodeId): Promise<Buffer[]> {
    return (await this.#xattrs(id)).map(({ name }) => parsePathText(name));
  }

  space(): Promise<SpaceShown> {
    return Promise.resolve(this.#parts.space);
  }

  async #xattrs(id: NodeId): Promise<NonNullable<LinkedNode['xattrs']>> {
    const place = this.#parts.layout.place(id);
    const xattrs = place === undefined ? [] : ((await this.#node(place)).xattrs ?? []);
    if (this.#parts.overlaid === 'plain') return xattrs;
    return xattrs.filter(({ name }) => !name.startsWith(OVERLAY_PREFIX));
  }

  #node({ at, node }: Place): Promise<LinkedNode> {
    return this.#parts.tree.node(at, node);
  }

  async #file(id: NodeId): Promise<FileAt> {
    const place = this.#parts.layout.place(id);
    if (place === undefined) throw new FuseError(EISDIR);
    const { kind, size } = await this.#node(place);
    if (kind !== 'file') throw new FuseError(EINVAL);
    return { ...place, size, key: `${place.at.slot}:${place.node}` };
  }

  #entry({ slot }: MountedPoint, node: LinkedNode): EntryShown {
    const attributes = attributesOf({ slot, node: node.node }, node);
    return { attributes, validS: LASTING_S };
  }
}

/** Goes through a folder page by page; remembers where each begins, for who goes back. */
class PointFolder implements OpenFolder {
  readonly isLasting = true;
  readonly #page: (after: string | undefined) => Promise<ListedPage>;
  readonly #entry: (node: LinkedNode) => EntryShown;
  readonly #begins: { readonly at: number; readonly after: string | undefined }[] = [
    { at: 0, after: undefined },
  ];
  /** The page read last, as the kernel is told of it. */
  #last: { readonly at: number; readonly list: readonly NamedEntry[] } = { at: -1, list: [] };

  constructor(
    page: (after: string | undefined) => Promise<ListedPage>,
    entry: (node: LinkedNode) => EntryShown,
  ) {
    this.#page = page;
    this.#entry = entry;
  }

  async entriesFrom(
    position: number,
  ): Promise<{ readonly at: number; readonly list: readonly NamedEntry[] }> {
    const { at, list } = this.#last;
    if (at >= 0 && position >= at && position < at + list.length) return this.#last;
    for (let index = this.#pageBefore(position); ; index += 1) {
      const begin = this.#begins[index];
      if (begin === undefined) return { at: position, list: [] };
      const page = await this.#page(begin.after);
      const end = begin.at + page.entries.length;
      if (page.next !== null && this.#begins[index + 1] === undefined) {
        this.#begins.push({ at: end, after: page.next });
      }
      if (position >= end) continue;
      const shown = page.entries.map(({ name, node }) => ({ name, entry: this.#entry(node) }));
      this.#last = { at: begin.at, list: shown };
      return this.#last;
    }
  }

  #pageBefore(position: number): number {
    const found = this.#begins.findLastIndex(({ at }) => at <= position);
    return Math.max(0, found);
  }
}
