/** A model without troubles, for tests that need syncs, or records, of a random tree. */
import type { SyncRecord } from '../../shared/protocol/records.js';
import { Seeded } from '../support/seeded.js';
import type { FullCopy } from './full-copy.js';
import { core } from './open-set.js';
import { RandomOperations } from './operation.js';
import { beginRecord, endRecord, SyncRecords, toFrames } from './sync-records.js';
import { Tree } from './tree.js';

/** A model whose n-th sync is the same for the same seed, whenever it is asked for. */
export class ModelHistory {
  readonly #random: Seeded;
  readonly #tree = new Tree();
  readonly #operations: RandomOperations;
  #committed = new Tree();
  readonly copies: FullCopy[] = [];

  constructor(seed: number) {
    this.#random = new Seeded(seed);
    this.#operations = new RandomOperations(this.#random, this.#tree);
  }

  /** Frames of the next sync. */
  next(parent: { readonly point: number; readonly chain: Buffer }): Buffer[] {
    const sync = this.copies.length + 1;
    const records = this.change(this.#random.below(25) + 1);
    return toFrames([beginRecord({ sync, ...parent }), ...records, endRecord(sync)]);
  }

  /** Does some operations; the records of what became of them, without `begin` and `end`. */
  change(operations: number): SyncRecord[] {
    for (let count = operations; count > 0; count -= 1) this.#tree.apply(this.#operations.next());
    const now = this.#tree.snapshot();
    const records = new SyncRecords(core, this.#committed, this.copies.length + 1);
    const said = records.round(now, new Set());
    this.#committed = now;
    this.copies.push(now.fullCopy());
    return said;
  }
}
