/** Answers the faces' questions about a set: the implementation of `SetReader`. */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import { type DatedPoint, type PointSelector, selectPoint } from '../../shared/point-selector.js';
import { syncOutcomeSchema } from '../../shared/protocol/sync-outcome.js';
import { storedDigest } from '../certify/point-digest.js';
import { recomputeDigests } from '../certify/recompute.js';
import { newestPoint } from '../index/nodes.js';
import { Place } from '../index/schema.js';
import { changesBetween, diffPoints } from './diff.js';
import { findVersions } from './find.js';
import { PointTable } from './point-table.js';
import { StoredPointView } from './point-view.js';
import { type SearchFor, type SearchPage, searchNames } from './search.js';
import type {
  DiffEntry,
  FoundVersion,
  PointDigestPair,
  PointSummary,
  PointView,
  SetReader,
  SpaceUse,
} from './set-reader.js';
import type { SetStore } from './set-store.js';
import { type PathHistory, pathHistory, type VersionsRequest } from './versions.js';

interface PointRow {
  readonly point: number;
  readonly time_ms: number;
  readonly sync: number;
  readonly chain: Buffer;
  readonly manifest: Buffer;
  readonly incarnation: Buffer;
  readonly outcome: string;
  readonly files: number;
  readonly bytes: number;
  readonly changed_nodes: number;
  readonly changed_bytes: number;
}

/** The index, its second copy, and what both have in their logs. */
const indexFiles = ['index.db', 'index.db-wal', 'index-twin.db', 'index-twin.db-wal'] as const;

const columns =
  'point, time_ms, sync, chain, manifest, incarnation, outcome, files, bytes, changed_nodes, changed_bytes';

/** A sum over old files that takes longer is kept for a while. */
const SUM_MS_MAX = 2;
/** How much longer than it took a sum is kept. */
const KEPT_FACTOR = 50;

export class StoredSetReader implements SetReader {
  readonly set: string;
  readonly table: PointTable;
  readonly #store: SetStore;
  #attic: { readonly bytes: number; readonly untilMs: number } = { bytes: 0, untilMs: 0 };

  constructor(store: SetStore) {
    this.set = store.set;
    this.table = new PointTable(store.index);
    this.#store = store;
  }

  points(): PointSummary[] {
    return this.#store.index
      .all<PointRow>(`SELECT ${columns} FROM point ORDER BY point`)
      .map(toSummary);
  }

  newest(): PointSummary | undefined {
    const row = this.#store.index.get<PointRow>(
      `SELECT ${columns} FROM point ORDER BY point DESC LIMIT 1`,
    );
    return row === undefined ? undefined : toSummary(row);
  }

  select(selector: PointSelector): PointSummary {
    const { index } = this.#store;
    const row = index.get<PointRow>(
      `SELECT ${columns} FROM point WHERE point = ${chosenBy[selector.type]}`,
      selectorValue(selector),
    );
    if (row !== undefined) return toSummary(row);
    const { point } = selectPoint(selector, this.dated());
    return this.select({ type: 'number', point });
  }

  /** Numbers and times of all points, oldest first. */
  dated(): DatedPoint[] {
    return this.#store.index.all<DatedPoint>(
      'SELECT point, time_ms AS timeMs FROM point INDEXED BY point_summary ORDER BY point',
    );
  }

  versions(request: VersionsRequest): Promise<PathHistory> {
    return this.table
      .columns()
      .then((points) =>
        pathHistory({ index: this.#store.index, core: this.#store.source.core, points }, request),
      );
  }

  search(wanted: SearchFor): Promise<SearchPage> {
    return this.table
      .columns()
      .then((points) => searchNames({ index: this.#store.index, points }, wanted));
  }

  open(point: number): PointView {
    if (this.#store.index.get('SELECT 1 FROM point WHERE point = ?', point) === undefined) {
      throw new AfterimageError('not-found', `set ${this.set} has no point ${point}`, {
        facts: { set: this.set, point },
      });
    }
    if (this.#store.distrusted.has(point)) {
      throw new AfterimageError(
        'damaged',
        `${this.set}@${point}: the index does not say any more what the point held`,
        { facts: { set: this.set, point } },
      );
    }
    return new StoredPointView(this.#store, point);
  }

  find(request: { glob: string; from: number; to: number; limit: number }): FoundVersion[] {
    return findVersions(this.#store.index, { ...request, newest: newestPoint(this.#store.index) });
  }

  diff(a: number, b: number): Generator<DiffEntry> {
    for (const point of [a, b]) this.open(point).close();
    return diffPoints(this.#store.index, { a, b });
  }

  changes(a: number, b: number): AsyncGenerator<DiffEntry> {
    for (const point of [a, b]) this.open(point).close();
    return changesBetween(this.#store.index, { a, b });
  }

  async *pointDigests(request: {
    readonly points: readonly number[];
    readonly signal: AbortSignal;
  }): AsyncGenerator<PointDigestPair> {
    const { index, source } = this.#store;
    for await (const computed of recomputeDigests({ index, core: source.core, ...request })) {
      const { point, digest } = computed;
      if (index.get('SELECT 1 FROM point WHERE point = ?', point) === undefined) continue;
      yield { point, kept: storedDigest(index, point), computed: digest };
    }
  }

  space(): SpaceUse {
    const { packs, folder } = this.#store;
    const base = this.newest()?.bytes ?? 0;
    return {
      baseBytes: base,
      atticBytes: this.#atticBytes(),
      packBytes: packs.bytes(),
      indexBytes: indexFiles.reduce((sum, name) => {
        const status = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
        return sum + (status?.size ?? 0);
      }, 0),
    };
  }

  #atticBytes(): number {
    const startMs = performance.now();
    if (startMs < this.#attic.untilMs) return this.#attic.bytes;
    const bytes =
      this.#store.index.get<{ bytes: number }>(
        `SELECT coalesce(sum(size), 0) AS bytes FROM body INDEXED BY body_attic
         WHERE place = ${Place.attic}`,
      )?.bytes ?? 0;
    const endMs = performance.now();
    const tookMs = endMs - startMs;
    this.#attic = { bytes, untilMs: tookMs > SUM_MS_MAX ? endMs + tookMs * KEPT_FACTOR : 0 };
    return bytes;
  }
}

/** The number of the point that a selector chooses, without reading what is not chosen. */
const chosenBy: Readonly<Record<PointSelector['type'], string>> = {
  number: '?',
  latest: '(SELECT point FROM point INDEXED BY point_summary ORDER BY point DESC LIMIT 1 OFFSET ?)',
  time: `(SELECT point FROM point INDEXED BY point_summary WHERE time_ms <= ?
          ORDER BY point DESC LIMIT 1)`,
};

function selectorValue(selector: PointSelector): number {
  switch (selector.type) {
    case 'number':
      return selector.point;
    case 'latest':
      return selector.back;
    case 'time':
      return selector.timeMs;
  }
}

function toSummary(row: PointRow): PointSummary {
  return {
    point: row.point,
    timeMs: row.time_ms,
    sync: row.sync,
    chain: row.chain,
    manifest: row.manifest,
    incarnation: row.incarnation,
    // Read when it is asked for: lists of points mostly do not.
    get outcome() {
      return syncOutcomeSchema.parse(JSON.parse(row.outcome));
    },
    files: row.files,
    bytes: row.bytes,
    changedNodes: row.changed_nodes,
    changedBytes: row.changed_bytes,
  };
}
