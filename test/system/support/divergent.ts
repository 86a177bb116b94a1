/**
 * The ways in which agent and replica come to remember different histories, made with a running
 * product, and how to tell that it healed cheaply.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import type { Divergence } from '../../../shared/protocol/sync-outcome.js';
import { Seeded } from '../../support/seeded.js';
import { mainFile, type Product, startProduct } from './product.js';

export const SET = 'app';
export const FILES = 60;
export const FILE_BYTES = 300_000;
/** What healing may carry both ways for a few files that differ: far less than the tree's 18 MB. */
export const HEALING_BYTES_MAX = 2_500_000;

/** A product with one set of `FILES` files of random bytes, which do not compress. */
export async function withProduct(
  seed: number,
  work: (product: Product, root: string) => Promise<void>,
): Promise<void> {
  const random = new Seeded(seed);
  const product = await startProduct({
    sets: (folder) => {
      const root = path.join(folder, SET);
      fs.mkdirSync(path.join(root, 'deep', 'deeper'), { recursive: true });
      for (let n = 0; n < FILES; n += 1) {
        const under = n % 3 === 0 ? 'deep/deeper' : n % 3 === 1 ? 'deep' : '.';
        fs.writeFileSync(path.join(root, under, `file-${n}`), random.bytes(FILE_BYTES));
      }
      return [{ name: SET, roots: [root] }];
    },
  });
  try {
    await work(product, path.join(product.folder, SET));
  } finally {
    await product.close();
  }
}

/** Changes a page, adds a file and removes one; `salt` from 0 to 9, each once. */
export function change(root: string, salt: number): void {
  const fd = fs.openSync(path.join(root, 'file-2'), 'r+');
  fs.writeSync(fd, Buffer.from(`changed ${salt}`), 0, 9, 70_000);
  fs.closeSync(fd);
  fs.writeFileSync(path.join(root, `new-${salt}`), `new ${salt}`.repeat(1000));
  fs.rmSync(path.join(root, 'deep', `file-${1 + 3 * salt}`));
}

/** A second machine with a copy of the agent's data folder, as it is now. */
export class Clone {
  readonly folder: string;
  readonly #config: string;
  readonly #log: string;
  #child: ChildProcess | undefined;

  constructor(product: Product) {
    this.folder = path.join(product.folder, 'clone');
    this.#config = path.join(product.folder, 'clone.yaml');
    this.#log = path.join(product.folder, 'clone.log');
    backUp(product.agentData, this.folder);
    fs.rmSync(path.join(this.folder, 'status.json'), { force: true });
    const config = parse(fs.readFileSync(product.agentFile, 'utf8')) as object;
    fs.writeFileSync(this.#config, stringify({ ...config, data_folder: this.folder }));
  }

  start(): void {
    const fd = fs.openSync(this.#log, 'a');
    this.#child = spawn(process.execPath, [mainFile, 'agent', '--config', this.#config], {
      stdio: ['ignore', fd, fd],
    });
    fs.closeSync(fd);
  }

  get log(): string {
    return fs.readFileSync(this.#log, 'utf8');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }
}

/** Copies a data folder as a backup of a machine that is switched off does. */
export function backUp(folder: string, to: string): void {
  fs.rmSync(to, { recursive: true, force: true });
  execFileSync('cp', ['-a', '--', folder, to]);
}

/** Puts a data folder back to a copy. */
export function putBack(folder: string, from: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
  execFileSync('cp', ['-a', '--', from, folder]);
}

/** Bytes that the TCP connections of a process have carried both ways; undefined without `ss`. */
export function wireBytes(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  let lines: string[];
  try {
    lines = execFileSync('ss', ['-tinpHO'], { encoding: 'utf8' }).split('\n');
  } catch {
    return undefined;
  }
  const own = lines.filter((line) => line.includes(`pid=${pid},`));
  const count = (line: string, what: string): number =>
    Number(new RegExp(`\\b${what}:(\\d+)`).exec(line)?.[1] ?? 0);
  return own.reduce(
    (sum, line) => sum + count(line, 'bytes_sent') + count(line, 'bytes_received'),
    0,
  );
}

/** What the points of a set say they healed, oldest first. */
export async function healings(
  product: Product,
): Promise<{ readonly point: number; readonly healed: Divergence; readonly sent: number }[]> {
  const healed = [];
  for (const point of await product.points(SET)) {
    if (point.healed === null) continue;
    const { outcome } = await product.pointDetail(SET, point.point);
    healed.push({
      point: point.point,
      healed: point.healed,
      sent: outcome.counts.bytesSent,
    });
  }
  return healed;
}

/** What the agent says of the set in its status.json. */
export function agentSays(folder: string): {
  readonly activity: string;
  readonly error: { readonly code: string; readonly hint: string } | null;
  readonly journal: { readonly paths: number; readonly gaps: readonly unknown[] };
} {
  const text = fs.readFileSync(path.join(folder, 'status.json'), 'utf8');
  const status = JSON.parse(text) as { sets: ReturnType<typeof agentSays>[] };
  const [set] = status.sets;
  if (set === undefined) throw new Error('the agent tells of no set');
  return set;
}
