/**
 * Keeps a set's points in columns beside the index: read once, extended by every commit, shrunk by
 * retention. What the index committed since the last look is found by SQLite's data version, so nothing
 * has to be told. Loading gives way to other work.
 */
import { TimeSlice } from '../../shared/time-slice.js';
import type { IndexDb } from '../index/index-db.js';
import { pointSummary } from '../index/schema.js';
import { ColumnsBuilder, type PointColumns } from './point-columns.js';

const PAGE_ROWS = 2000;
/** Commits that come while columns are read are read at once, so many times. */
const ROUNDS_MAX = 4;

type SummaryRow = readonly [
  point: number,
  timeMs: number,
  changedNodes: number,
  changedBytes: number,
  consistency: string | null,
  healed: number | null,
  unreadable: number | null,
];

const summarySql = `SELECT point, time_ms, changed_nodes, changed_bytes,
    ${pointSummary.consistency}, ${pointSummary.healed}, ${pointSummary.unreadable}
  FROM point INDEXED BY point_summary WHERE point > ? ORDER BY point LIMIT ${PAGE_ROWS}`;

export class PointTable {
  readonly #index: IndexDb;
  readonly #builder = new ColumnsBuilder();
  #columns: PointColumns = this.#builder.snapshot();
  #version: number | undefined;
  #loading: Promise<PointColumns> | undefined;
  #counted: { readonly version: number; readonly count: number } | undefined;

  /** @param index a connection that only reads */
  constructor(index: IndexDb) {
    this.#index = index;
  }

  /** All points committed when it was asked. */
  async columns(): Promise<PointColumns> {
    if (this.#loading === undefined && this.#version === this.version()) return this.#columns;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return await this.#loading;
  }

  /** How many there are. */
  count(): number {
    const version = this.version();
    if (this.#counted?.version !== version) {
      const sql = 'SELECT count(*) FROM point INDEXED BY point_summary';
      const count = this.#raw<readonly [number]>(sql)[0]?.[0] ?? 0;
      this.#counted = { version, count };
    }
    return this.#counted.count;
  }

  /** Another number after every commit of somebody else. */
  version(): number {
    return this.#index.get<{ data_version: number }>('PRAGMA data_version')?.data_version ?? 0;
  }

  async #load(): Promise<PointColumns> {
    const slice = new TimeSlice();
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const version = this.version();
      if (this.#builder.count > 0) this.#shrink();
      await this.#extend(slice);
      this.#columns = this.#builder.snapshot();
      this.#version = version;
      if (this.version() === version) break;
    }
    return this.#columns;
  }

  /** What retention took away since. */
  #shrink(): void {
    const { last } = this.#builder;
    const [count] = this.#raw<readonly [number]>(
      'SELECT count(*) FROM point INDEXED BY point_summary WHERE point <= ?',
      last,
    )[0] ?? [0];
    if (count === this.#builder.count) return;
    const kept = this.#raw<readonly [number]>(
      'SELECT point FROM point INDEXED BY point_summary WHERE point <= ? ORDER BY point',
      last,
    );
    this.#builder.keep(kept.map(([point]) => point));
  }

  async #extend(slice: TimeSlice): Promise<void> {
    for (;;) {
      const rows = this.#raw<SummaryRow>(summarySql, this.#builder.last);
      for (const [point, timeMs, changedNodes, changedBytes, consistency, healed, unread] of rows) {
        this.#builder.add({
          ...{ point, timeMs, changedNodes, changedBytes, consistency },
          healed: healed === 1,
          unreadable: unread === 1,
        });
      }
      if (rows.length < PAGE_ROWS) return;
      await slice.breathe();
    }
  }

  /** Rows as arrays: half the cost where there are many. */
  #raw<T extends readonly unknown[]>(sql: string, ...parameters: unknown[]): T[] {
    return this.#index
      .prepare(sql)
      .raw()
      .all(...parameters) as T[];
  }
}
