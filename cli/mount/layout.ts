/**
 * What stands above the points in a mount: nothing, the points of a set by their times, or all sets.
 * These folders are asked for anew every second; a point that was cut shows up by itself.
 */
import { constants } from 'node:os';
import { statusSchema } from '../../shared/api/status.js';
import type { TimedPoint } from '../../shared/point-names.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { ApiClient } from '../api-client.js';
import { type Attributes, type EntryShown, type NodeId, SLOT_MAX } from './fuse-protocol.js';
import type { NamedEntry, OpenFolder } from './fuse-session.js';
import { LASTING_S, ownAttributes } from './node-attributes.js';
import { type NamedPoint, PointList } from './point-list.js';
import type { MountedPoint } from './point-tree.js';
import { noEntry, FuseError, type Reach } from './trouble.js';

/** What is mounted; its shape is that of mount's records, too. */
export type MountScope =
  | { readonly type: 'point'; readonly set: string; readonly point: number }
  | { readonly type: 'set'; readonly set: string }
  | { readonly type: 'sets' };

export const LATEST = 'latest';
const TOP = 1;
const FIRST_SET = 2;
/** Each target of `latest` is a link of its own, because the kernel keeps what a link says. */
const FIRST_LATEST = 2 ** 39;
/** How long names above the points are good for, seconds. */
const FRESH_S = 1;

interface ServedSetFolder {
  readonly set: string;
  readonly id: NodeId;
  readonly list: PointList;
}

export class Layout {
  readonly #scope: MountScope;
  readonly #api: ApiClient;
  readonly #reach: Reach;
  readonly #sets: ServedSetFolder[] = [];
  readonly #points: (MountedPoint & { readonly timeMs: number })[] = [];
  readonly #slots = new Map<string, number>();
  readonly #startedMs = Date.now();

  constructor(scope: MountScope, api: ApiClient, reach: Reach) {
    this.#scope = scope;
    this.#api = api;
    this.#reach = reach;
  }

  /** The point that a node belongs to, and the node there; undefined for what is above all points. */
  place(id: NodeId): { readonly at: MountedPoint; readonly node: number } | undefined {
    const { slot, node } = id;
    if (slot === 0) {
      if (node !== TOP || this.#scope.type !== 'point') return undefined;
      return { at: { slot: SLOT_MAX, ...this.#scope }, node: SET_NODE };
    }
    if (this.#scope.type === 'point') return { at: { slot: SLOT_MAX, ...this.#scope }, node };
    const at = this.#points[slot];
    if (at === undefined) throw new FuseError(constants.errno.ESTALE);
    return { at, node };
  }

  /** The set itself has no times: its folder has that of the point. */
  timeMsOf(at: MountedPoint): number {
    return this.#points[at.slot]?.timeMs ?? this.#startedMs;
  }

  async lookup(parent: NodeId, name: string): Promise<EntryShown | undefined> {
    if (parent.node === TOP && this.#scope.type === 'sets') {
      const set = (await this.#allSets()).find((one) => one.set === name);
      return set === undefined ? undefined : this.#setEntry(set);
    }
    const set = this.#setOf(parent);
    if (name === LATEST) return this.#latestEntry(set, await set.list.newest());
    const point = await set.list.named(name);
    return point === undefined ? undefined : this.#pointEntry(set, point);
  }

  async attributes(id: NodeId): Promise<Attributes> {
    if (id.node >= FIRST_LATEST) return this.#latestAttributes(id, await this.#targetOf(id));
    if (id.node === TOP) return this.#folder(id, this.#startedMs);
    const newest = await this.#setOf(id).list.newest();
    return this.#folder(id, newest?.timeMs ?? this.#startedMs);
  }

  async readLink(id: NodeId): Promise<Buffer> {
    return Buffer.from(await this.#targetOf(id));
  }

  async openFolder(id: NodeId): Promise<OpenFolder> {
    const list =
      id.node === TOP && this.#scope.type === 'sets'
        ? (await this.#allSets()).map((set) => this.#named(set.set, this.#setEntry(set)))
        : await this.#pointEntries(this.#setOf(id));
    return { isLasting: false, entriesFrom: () => Promise.resolve({ at: 0, list }) };
  }

  async #pointEntries(set: ServedSetFolder): Promise<NamedEntry[]> {
    const points = await set.list.points();
    const latest = this.#latestEntry(set, points.at(-1));
    return [
      ...points.map((point) => this.#named(point.name, this.#pointEntry(set, point))),
      ...(latest === undefined ? [] : [this.#named(LATEST, latest)]),
    ];
  }

  #named(name: string, entry: EntryShown): NamedEntry {
    return { name: Buffer.from(name), entry };
  }

  async #allSets(): Promise<readonly ServedSetFolder[]> {
    const { sets } = await this.#reach.ask(() =>
      this.#api.json(statusSchema, { path: '/v1/status' }),
    );
    return sets.map(({ set }) => this.#setFolder(set));
  }

  #setFolder(set: string): ServedSetFolder {
    const found = this.#sets.find((one) => one.set === set);
    if (found !== undefined) return found;
    const node = this.#scope.type === 'set' ? TOP : FIRST_SET + this.#sets.length;
    const list = new PointList(set, this.#api, this.#reach);
    const made = { set, id: { slot: 0, node }, list };
    this.#sets.push(made);
    return made;
  }

  #setOf(id: NodeId): ServedSetFolder {
    if (this.#scope.type === 'set') return this.#setFolder(this.#scope.set);
    const set = this.#sets[id.node - FIRST_SET];
    if (set === undefined) throw noEntry;
    return set;
  }

  #setEntry({ id }: ServedSetFolder): EntryShown {
    return { attributes: this.#folder(id, this.#startedMs), validS: FRESH_S };
  }

  #folder(id: NodeId, timeMs: number): Attributes {
    return ownAttributes(id, { kind: 'folder', timeMs, validS: FRESH_S });
  }

  #pointEntry(set: ServedSetFolder, { point, timeMs }: TimedPoint): EntryShown {
    const slot = this.#slotOf({ set: set.set, point, timeMs });
    const id = { slot, node: SET_NODE };
    const attributes = ownAttributes(id, { kind: 'folder', timeMs, validS: LASTING_S });
    return { attributes: { ...attributes, mode: 0o040755, uid: 0, gid: 0 }, validS: FRESH_S };
  }

  /** The point's own number where there is one set, so that inodes are the same in every mount of it. */
  #slotOf(of: { readonly set: string; readonly point: number; readonly timeMs: number }): number {
    const key = `${of.set}@${of.point}`;
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = this.#scope.type === 'set' ? of.point : this.#slots.size + 1;
    if (slot >= SLOT_MAX) throw new FuseError(constants.errno.EOVERFLOW);
    this.#slots.set(key, slot);
    this.#points[slot] = { slot, ...of };
    return slot;
  }

  #latestEntry(set: ServedSetFolder, newest: NamedPoint | undefined): EntryShown | undefined {
    if (newest === undefined) return undefined;
    const node = FIRST_LATEST + this.#sets.indexOf(set) * (SLOT_MAX + 1) + newest.point;
    const attributes = this.#latestAttributes({ slot: 0, node }, newest.name);
    return { attributes, validS: FRESH_S };
  }

  #latestAttributes(id: NodeId, target: string): Attributes {
    const of = { kind: 'symlink', timeMs: this.#startedMs, validS: LASTING_S } as const;
    return ownAttributes(id, { ...of, size: target.length });
  }

  async #targetOf({ node }: NodeId): Promise<string> {
    const set = this.#sets[Math.floor((node - FIRST_LATEST) / (SLOT_MAX + 1))];
    const point = (node - FIRST_LATEST) % (SLOT_MAX + 1);
    const found = (await set?.list.points())?.find((one) => one.point === point);
    if (found === undefined) throw noEntry;
    return found.name;
  }
}
