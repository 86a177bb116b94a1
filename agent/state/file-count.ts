/**
 * How many nodes other than folders there are, kept beside them: counting the rows of a large set
 * takes seconds. A database that never kept the count is counted once, in steps.
 */
import { nodeKinds } from '../../shared/protocol/records.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { StateDatabase } from './state-database.js';

/** Of the newest point's rows. */
const KEPT = 'files';
/** Of the rows of a sync that has ended and is not committed yet. */
const ENDED = 'filesEnded';
/** Rows counted in one go: some milliseconds. */
const STEP_NODES = 5_000;

export class FileCount {
  readonly #base: StateDatabase;
  /** Undefined until it is counted. */
  #count: number | undefined;

  constructor(base: StateDatabase) {
    this.#base = base;
  }

  get value(): number | undefined {
    return this.#count;
  }

  /** Rows of files came or went. */
  add(files: number): void {
    if (this.#count !== undefined) this.#count += files;
  }

  /** The rows are those of the newest point again, or of a sync that has ended since. */
  load(rows: 'committed' | 'ended'): void {
    this.#count = this.#base.metaNumberIfKept(rows === 'ended' ? ENDED : KEPT);
  }

  /** No rows are left. */
  clear(): void {
    this.#count = 0;
  }

  /** In the transaction that makes the rows final, or ends their sync. */
  keep(rows: 'committed' | 'ended'): void {
    if (this.#count === undefined) return;
    this.#base.setMeta(rows === 'ended' ? ENDED : KEPT, this.#count);
  }

  /** Counts the rows if nobody ever did. Nothing may change them meanwhile. */
  async countIfUnknown(slice: TimeSlice): Promise<void> {
    if (this.#count !== undefined) return;
    const { db } = this.#base;
    const step = db.prepare<[number, number], { files: number; last: number | null }>(
      `SELECT count(*) FILTER (WHERE kind <> ${nodeKinds.indexOf('folder')}) AS files,
         max(id) AS last
       FROM (SELECT id, kind FROM node WHERE id > ? ORDER BY id LIMIT ?)`,
    );
    let files = 0;
    for (let after: number | null = 0; after !== null;) {
      const counted: { files: number; last: number | null } | undefined = step.get(
        after,
        STEP_NODES,
      );
      files += counted?.files ?? 0;
      after = counted?.last ?? null;
      await slice.breathe();
    }
    this.#count = files;
  }
}
