/**
 * The rounds of the `sync` benchmark. In each, product and peers start from nothing, take turns at
 * every step of the same story (first copy, a day's changes, pages, an insertion, a rename), and
 * every copy is compared with the tree after every step.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { AfterimageError } from '../shared/errors.js';
import type { Copier } from './copier.js';
import { Product } from './harness.js';
import { startRestic, startRsync } from './peers.js';
import type { ProcessCost } from './process.js';
import { summarise } from './summary.js';
import type { MixedTree } from './trees/mixed-tree.js';
import { changeOnePercent, changePages, insertInFront, renameFolder } from './trees/mutations.js';
import { digestTree } from './trees/tree-digest.js';

const NO_CHANGES = 5;
const PAGES = 1000;
const INSERTED_BYTES = 100;

/** Values of one measurement, one a round. */
export type Values = Map<string, number[]>;

export interface RoundsOptions {
  readonly tree: MixedTree;
  readonly folder: string;
  readonly rounds: number;
  readonly say: (text: string) => void;
}

export interface Rounds {
  /** `STEP.COPIER.ms`, `STEP.COPIER.bytes` and costs. */
  readonly values: Values;
  /** What ran beside the product, by name. */
  readonly peers: ReadonlyMap<string, string>;
}

interface Step {
  readonly name: string;
  readonly change: (tree: MixedTree, seed: number) => void;
}

const steps: readonly Step[] = [
  { name: 'one_percent', change: changeOnePercent },
  {
    name: 'pages_1000',
    change: (tree, seed) => {
      changePages(tree, PAGES, seed);
    },
  },
  {
    name: 'insert_100',
    change: (tree, seed) => {
      insertInFront(tree, INSERTED_BYTES, seed);
    },
  },
  { name: 'rename_500', change: renameFolder },
];

/** Throws `mismatch` when a copy is not what the tree is. */
export async function runRounds(options: RoundsOptions): Promise<Rounds> {
  const values: Values = new Map();
  const peers = new Map<string, string>();
  for (let round = 1; round <= options.rounds; round += 1) {
    const folder = join(options.folder, `round-${round}`);
    await runRound({ ...options, folder, round, values, peers });
    rmSync(folder, { recursive: true });
  }
  return { values, peers };
}

interface Round extends RoundsOptions {
  readonly round: number;
  readonly values: Values;
  readonly peers: Map<string, string>;
}

async function runRound(round: Round): Promise<void> {
  const { tree, values, folder } = round;
  const product = await Product.start({
    root: tree.folder,
    folder: join(folder, 'afterimage'),
    schedule: 'asked',
  });
  const opened: Copier[] = [product];
  try {
    const rsync = await startRsync({ root: tree.folder, folder: join(folder, 'rsync') });
    const restic = startRestic({ root: tree.folder, folder: join(folder, 'restic') });
    opened.push(...[rsync, restic].filter((peer) => peer !== undefined));
    for (const peer of opened.slice(1)) round.peers.set(peer.name, peer.about);
    await takeTurns(round, 'first_copy', opened);
    addCosts(values, 'first_copy', product);
    await askWithoutChange(values, product);
    for (const { name, change } of steps) {
      change(tree, round.round);
      await takeTurns(
        round,
        name,
        opened.filter((copier) => copier !== restic),
      );
    }
    addCosts(values, 'all', product);
    checkRestore(tree, product);
  } finally {
    for (const copier of opened) await copier.stop();
  }
}

/** Who begins changes from round to round. */
async function takeTurns(round: Round, step: string, copiers: readonly Copier[]): Promise<void> {
  const { tree, values, say } = round;
  const wanted = digestTree(tree.folder, { metadata: 'without' });
  const first = round.round % copiers.length;
  for (const copier of [...copiers.slice(first), ...copiers.slice(0, first)]) {
    // What others have written must not be flushed on this one's time.
    execFileSync('sync');
    const { ms, sentBytes } = await copier.copy();
    add(values, `${step}.${copier.name}.ms`, ms);
    if (sentBytes !== undefined) add(values, `${step}.${copier.name}.bytes`, sentBytes);
    say(
      `round ${round.round} ${step} ${copier.name}: ${ms.toFixed(0)} ms, ${sentBytes ?? '?'} B\n`,
    );
    if ((await copier.digest()) !== wanted) {
      throw new AfterimageError('mismatch', `${copier.name} made a wrong copy at ${step}`);
    }
  }
}

async function askWithoutChange(values: Values, product: Product): Promise<void> {
  const runs: number[] = [];
  for (let time = 0; time < NO_CHANGES; time += 1) runs.push((await product.copy()).ms);
  add(values, 'no_change.afterimage.ms', summarise({ name: '', unit: '', rounds: runs }).value);
}

function addCosts(values: Values, step: string, product: Product): void {
  const costs = Object.entries<ProcessCost>({ ...product.costs() });
  for (const [name, { cpuS, rssPeakMib }] of costs) {
    add(values, `${step}.${name}.cpu`, cpuS);
    add(values, `${step}.${name}.rss`, rssPeakMib);
  }
}

function checkRestore(tree: MixedTree, product: Product): void {
  if (product.restoredDigest() !== digestTree(tree.folder, { metadata: 'with' })) {
    throw new AfterimageError('mismatch', 'a restored tree is not what was copied');
  }
}

function add(values: Values, key: string, value: number): void {
  values.set(key, [...(values.get(key) ?? []), value]);
}
