/**
 * A set kept in memory, for tests of what reads sets: the whole `SetReader` contract over plain maps,
 * with a way to damage a block.
 */
import { AfterimageError } from '../../../shared/errors.js';
import type { HashCore } from '../../../shared/hash/hash-core.js';
import { nextChain } from '../../../shared/protocol/manifest.js';
import type { SyncOutcome } from '../../../shared/protocol/sync-outcome.js';
import type {
  DiffEntry,
  FoundVersion,
  NodeVersion,
  PointSummary,
  PointView,
  SetReader,
} from '../../../replica/history/set-reader.js';
import { globMatches } from './glob-matches.js';
import { MemoryTree } from './memory-tree.js';
import { MemoryView } from './memory-view.js';

interface MemoryPoint {
  readonly summary: PointSummary;
  readonly tree: MemoryTree;
}

export class MemorySet implements SetReader {
  readonly set: string;
  readonly incarnation = Buffer.alloc(16, 7);
  readonly #hash: HashCore;
  readonly #points: MemoryPoint[] = [];
  readonly #damaged = new Set<string>();
  /** Called before every block that is read. */
  onRead: () => void = () => undefined;
  #opened = 0;

  constructor(set: string, hash: HashCore) {
    this.set = set;
    this.#hash = hash;
  }

  /** Views that were opened and not closed. */
  get openViews(): number {
    return this.#opened;
  }

  /** Changes a copy of the newest tree and makes it the next point. */
  cut(change: (tree: MemoryTree) => void, at: { readonly timeMs?: number } = {}): PointSummary {
    const previous = this.#points.at(-1);
    const point = (previous?.summary.point ?? 0) + 1;
    const tree = previous?.tree.next(point) ?? new MemoryTree(point);
    change(tree);
    const manifest = this.#hash.digest(Buffer.from(`manifest ${point}`));
    const parent = previous?.summary.chain ?? Buffer.alloc(32);
    const summary: PointSummary = {
      point,
      timeMs: at.timeMs ?? Date.UTC(2031, 0, point),
      sync: point,
      chain: nextChain(parent, manifest, this.incarnation),
      manifest,
      outcome: outcomeOf(tree),
      files: tree.files().length,
      bytes: tree.files().reduce((sum, version) => sum + version.size, 0),
      changedNodes: 1,
      changedBytes: 0,
    };
    this.#points.push({ summary, tree });
    return summary;
  }

  /** From now on the block of the file reads as damaged, at every point. */
  damage(node: number, block: number): void {
    this.#damaged.add(`${node}:${block}`);
  }

  points(): PointSummary[] {
    return this.#points.map(({ summary }) => summary);
  }

  newest(): PointSummary | undefined {
    return this.#points.at(-1)?.summary;
  }

  open(point: number): PointView {
    this.#opened += 1;
    const close = (): void => {
      this.#opened -= 1;
    };
    const tree = this.tree(point);
    const isDamaged = (node: number, block: number): boolean => {
      this.onRead();
      return this.#damaged.has(`${node}:${block}`);
    };
    return new MemoryView({ set: this.set, point, tree, hash: this.#hash, close }, isDamaged);
  }

  tree(point: number): MemoryTree {
    const found = this.#points.find(({ summary }) => summary.point === point);
    if (found === undefined) throw new AfterimageError('not-found', `no point ${point}`);
    return found.tree;
  }

  find(request: {
    readonly glob: string;
    readonly from: number;
    readonly to: number;
    readonly limit: number;
  }): FoundVersion[] {
    const newest = this.newest()?.point ?? 0;
    const found = new Map<string, FoundVersion>();
    for (const { summary, tree } of this.#points) {
      if (summary.point < request.from || summary.point > request.to) continue;
      for (const { path, version } of tree.walk()) {
        if (!globMatches(request.glob, path)) continue;
        const key = `${path.toString('latin1')}\0${version.node}\0${version.born}`;
        const from = found.get(key)?.from ?? summary.point;
        const live = summary.point === newest;
        found.set(key, { path, version, from, to: summary.point, live });
      }
    }
    return [...found.values()].slice(0, request.limit);
  }

  *diff(a: number, b: number): Generator<DiffEntry> {
    const before = new Map(
      this.tree(a)
        .walk()
        .map((entry) => [entry.path.toString('latin1'), entry]),
    );
    for (const { path, version } of this.tree(b).walk()) {
      const key = path.toString('latin1');
      const old = before.get(key)?.version;
      before.delete(key);
      if (old === undefined) yield { path, change: 'added', after: version };
      else if (old.born !== version.born || old.node !== version.node) {
        yield { path, change: changeOf(old, version), before: old, after: version };
      }
    }
    for (const { path, version } of before.values()) {
      yield { path, change: 'removed', before: version };
    }
  }

  space(): { baseBytes: number; atticBytes: number; packBytes: number; indexBytes: number } {
    return { baseBytes: 4, atticBytes: 3, packBytes: 2, indexBytes: 1 };
  }
}

function changeOf(old: NodeVersion, now: NodeVersion): DiffEntry['change'] {
  if (old.kind !== now.kind) return 'kind';
  return old.size === now.size ? 'metadata' : 'content';
}

function outcomeOf(tree: MemoryTree): SyncOutcome {
  const roots = tree.roots().map((name): [string, string] => [name, `/srv/${name}`]);
  return {
    consistency: 'application',
    recipe: 'hooks',
    heldMs: 12,
    imageMs: 0,
    rounds: 1,
    engine: 'rounds',
    scanAgeMs: 0,
    journal: { from: 1, to: 2 },
    operation: 'schedule',
    reconciled: false,
    movedWhileHeld: [],
    unreadable: [],
    notCarried: [],
    applications: [],
    source: { host: 'app', roots: Object.fromEntries(roots) },
    counts: { filesChanged: 1, bytesRead: 1, bytesSent: 1 },
  };
}
