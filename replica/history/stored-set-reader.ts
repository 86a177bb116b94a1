/** Answers the faces' questions about a set: the implementation of `SetReader`. */
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError } from '../../shared/errors.js';
import { syncOutcomeSchema } from '../../shared/protocol/sync-outcome.js';
import { storedDigest } from '../certify/point-digest.js';
import { recomputeDigests } from '../certify/recompute.js';
import { newestPoint } from '../index/nodes.js';
import { Place } from '../index/schema.js';
import { diffPoints } from './diff.js';
import { findVersions } from './find.js';
import { StoredPointView } from './point-view.js';
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

export class StoredSetReader implements SetReader {
  readonly set: string;
  readonly #store: SetStore;

  constructor(store: SetStore) {
    this.set = store.set;
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
    const { index, packs, folder } = this.#store;
    const base = this.newest()?.bytes ?? 0;
    const attic = index.get<{ bytes: number }>(
      'SELECT coalesce(sum(size), 0) AS bytes FROM body WHERE place = ?',
      Place.attic,
    );
    return {
      baseBytes: base,
      atticBytes: attic?.bytes ?? 0,
      packBytes: packs.bytes(),
      indexBytes: indexFiles.reduce((sum, name) => {
        const status = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
        return sum + (status?.size ?? 0);
      }, 0),
    };
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
