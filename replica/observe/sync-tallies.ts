/** Counts what becomes of syncs, as it happens: results, bytes, and how long applications were held. */
import type { MetricFamilies } from '../../shared/observe/metric-families.js';
import type { PointSummary } from '../history/set-reader.js';

const HOLD_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

interface Tally {
  committed: number;
  refused: number;
  changedBytes: number;
  changedNodes: number;
}

export class SyncTallies {
  readonly #sets = new Map<string, Tally>();
  readonly #holds: { observe(labels: { set: string }, seconds: number): void };

  constructor(families: MetricFamilies) {
    this.#holds = families.histogram({
      name: 'set_hold_seconds',
      help: 'How long the application was held for a point, where it was',
      labels: ['set'],
      buckets: HOLD_SECONDS,
    });
    families.counter({
      name: 'set_syncs_total',
      help: 'Syncs since the replica started, by what became of them',
      labels: ['set', 'result'],
      read: () =>
        [...this.#sets].flatMap(([set, { committed, refused }]) => [
          { labels: { set, result: 'committed' }, value: committed },
          { labels: { set, result: 'refused' }, value: refused },
        ]),
    });
    families.counter({
      name: 'set_changed_bytes_total',
      help: 'Bytes of blocks that points received new',
      labels: ['set'],
      read: () => this.#read(({ changedBytes }) => changedBytes),
    });
    families.counter({
      name: 'set_changed_nodes_total',
      help: 'Files, folders and other nodes that points wrote or removed',
      labels: ['set'],
      read: () => this.#read(({ changedNodes }) => changedNodes),
    });
  }

  committed(set: string, { outcome, changedBytes, changedNodes }: PointSummary): void {
    const tally = this.#of(set);
    tally.committed += 1;
    tally.changedBytes += changedBytes;
    tally.changedNodes += changedNodes;
    if (outcome.heldMs > 0) this.#holds.observe({ set }, outcome.heldMs / 1000);
  }

  refused(set: string): void {
    this.#of(set).refused += 1;
  }

  #read(value: (tally: Tally) => number): { labels: { set: string }; value: number }[] {
    return [...this.#sets].map(([set, tally]) => ({ labels: { set }, value: value(tally) }));
  }

  #of(set: string): Tally {
    const known = this.#sets.get(set);
    if (known !== undefined) return known;
    const tally = { committed: 0, refused: 0, changedBytes: 0, changedNodes: 0 };
    this.#sets.set(set, tally);
    return tally;
  }
}
