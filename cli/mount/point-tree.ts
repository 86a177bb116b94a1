/**
 * Nodes and folders of points, by node number, as the replica tells them. A point never changes: what
 * was told once is kept as long as there is room. Who reads one folder after the other (find, tar, du)
 * gets those that come next along with the one that is asked for, the more the longer that goes on.
 */
import {
  entriesSchema,
  type FolderPage,
  type LinkedEntry,
  type LinkedNode,
  nodeAnswerSchema,
} from '../../shared/api/nodes.js';
import { AfterimageError } from '../../shared/errors.js';
import { parsePathText, toPathText } from '../../shared/path-text.js';
import { type ApiClient, setPath } from '../api-client.js';
import { BoundedMap } from './bounded-map.js';
import type { Reach } from './trouble.js';

export interface MountedPoint {
  /** Which of the mount's points it is. */
  readonly slot: number;
  readonly set: string;
  readonly point: number;
}

export interface ListedEntry {
  readonly name: Buffer;
  readonly node: LinkedNode;
}

export interface ListedPage {
  readonly entries: readonly ListedEntry[];
  /** What the page after this one is asked for with; null on the last. */
  readonly next: string | null;
}

/** Entries of a page; of the last it may be fewer. */
export const PAGE_ENTRIES = 2000;
const KEPT_ENTRIES_MAX = 40_000;
const KEPT_NODES_MAX = 40_000;
const KEPT_PARENTS_MAX = 100_000;
const BELOW_LEAST = 128;
const BELOW_MOST = 4096;
/** Folders that are named as those that come next. */
const NEXT_MAX = 200;
/** Reading of one folder after the other: no longer than this between them. */
const STEADY_MS = 300;

export class PointTree {
  readonly #api: ApiClient;
  readonly #reach: Reach;
  readonly #nodes = new BoundedMap<string, LinkedNode>(KEPT_NODES_MAX);
  readonly #pages = new BoundedMap<string, ListedPage>(KEPT_ENTRIES_MAX, {
    weigh: ({ entries }) => entries.length + 1,
  });
  /** Node of the folder above, for folders that were listed. */
  readonly #parents = new BoundedMap<string, number>(KEPT_PARENTS_MAX);
  readonly #asked = new Map<string, Promise<ListedPage>>();
  #below = BELOW_LEAST;
  #listedMs = -Infinity;

  constructor(api: ApiClient, reach: Reach) {
    this.#api = api;
    this.#reach = reach;
  }

  /** Throws `not-found` when the point is gone, or never had it. */
  async node(at: MountedPoint, node: number): Promise<LinkedNode> {
    const kept = this.#nodes.get(keyOf(at, node));
    if (kept !== undefined) return kept;
    const answer = await this.#reach.ask(() =>
      this.#api.json(nodeAnswerSchema, { path: nodePath(at, node) }),
    );
    return this.#keep(at, answer.node);
  }

  /** What stands by a name in a folder; undefined when nothing does. */
  async named(at: MountedPoint, folder: number, name: Buffer): Promise<LinkedNode | undefined> {
    const first = this.#pages.get(pageKey(at, folder, undefined));
    const found = first === undefined ? undefined : search(first.entries, name);
    if (found !== undefined) return found;
    const isWhole = first?.next === null;
    return isWhole ? undefined : this.#askNamed(at, folder, name);
  }

  async #askNamed(at: MountedPoint, folder: number, name: Buffer): Promise<LinkedNode | undefined> {
    try {
      const answer = await this.#reach.ask(() =>
        this.#api.json(nodeAnswerSchema, {
          path: nodePath(at, folder, 'entry'),
          query: { name: toPathText(name) },
        }),
      );
      if (answer.node.kind === 'folder') this.#parents.set(keyOf(at, answer.node.node), folder);
      return this.#keep(at, answer.node);
    } catch (error) {
      // Also said when the point is gone: then the folder is not there either.
      if (error instanceof AfterimageError && error.facts['node'] === folder) return undefined;
      throw error;
    }
  }

  /** @param after the `next` of the page before; undefined for the first */
  async page(at: MountedPoint, folder: number, after: string | undefined): Promise<ListedPage> {
    const key = pageKey(at, folder, after);
    const kept = this.#pages.get(key);
    if (kept !== undefined) return kept;
    const underWay = this.#asked.get(key);
    if (underWay !== undefined) return underWay;
    const asked = this.#askPage(at, folder, after).finally(() => this.#asked.delete(key));
    this.#asked.set(key, asked);
    return asked;
  }

  async #askPage(at: MountedPoint, folder: number, after: string | undefined): Promise<ListedPage> {
    const nowMs = performance.now();
    const isSteady = nowMs - this.#listedMs < STEADY_MS;
    this.#below = isSteady ? Math.min(BELOW_MOST, this.#below * 2) : BELOW_LEAST;
    const next = isSteady && after === undefined ? this.#following(at, folder) : [];
    const answer = await this.#reach.ask(() =>
      this.#api.json(entriesSchema, {
        path: nodePath(at, folder, 'entries'),
        query: {
          after,
          limit: PAGE_ENTRIES,
          below: this.#below,
          next: next.length === 0 ? undefined : next.join(','),
        },
      }),
    );
    this.#listedMs = performance.now();
    const [asked, ...along] = answer.folders;
    if (asked?.folder !== folder) {
      throw new AfterimageError('answer-malformed', `another folder than ${folder} was listed`);
    }
    for (const page of along) this.#keepPage(at, page, undefined);
    return this.#keepPage(at, asked, after);
  }

  /** The folders after this one in the folder above, which whoever goes through the tree wants next. */
  #following(at: MountedPoint, folder: number): number[] {
    const parent = this.#parents.get(keyOf(at, folder));
    const page = parent === undefined ? undefined : this.#pages.get(pageKey(at, parent, undefined));
    if (page === undefined) return [];
    const following: number[] = [];
    let isPast = false;
    for (const { node } of page.entries) {
      if (node.kind !== 'folder') continue;
      if (isPast && !this.#pages.has(pageKey(at, node.node, undefined))) following.push(node.node);
      if (node.node === folder) isPast = true;
      if (following.length >= NEXT_MAX) break;
    }
    return following;
  }

  #keep(at: MountedPoint, node: LinkedNode): LinkedNode {
    this.#nodes.set(keyOf(at, node.node), node);
    return node;
  }

  #keepPage(at: MountedPoint, page: FolderPage, after: string | undefined): ListedPage {
    const entries = page.entries.map((entry) => this.#keepEntry(at, page.folder, entry));
    const kept = { entries, next: page.next };
    this.#pages.set(pageKey(at, page.folder, after), kept);
    return kept;
  }

  #keepEntry(at: MountedPoint, folder: number, entry: LinkedEntry): ListedEntry {
    const { name, ...node } = entry;
    if (node.kind === 'folder') this.#parents.set(keyOf(at, node.node), folder);
    return { name: parsePathText(name), node: this.#keep(at, node) };
  }
}

function nodePath({ set, point }: MountedPoint, node: number, ...rest: readonly string[]): string {
  return setPath(set, 'points', String(point), 'nodes', String(node), ...rest);
}

function keyOf({ slot }: MountedPoint, node: number): string {
  return `${slot}:${node}`;
}

function pageKey(at: MountedPoint, folder: number, after: string | undefined): string {
  return after === undefined ? keyOf(at, folder) : `${keyOf(at, folder)}:${after}`;
}

function search(entries: readonly ListedEntry[], name: Buffer): LinkedNode | undefined {
  let low = 0;
  let high = entries.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry === undefined) return undefined;
    const order = Buffer.compare(entry.name, name);
    if (order === 0) return entry.node;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}
