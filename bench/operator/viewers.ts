/**
 * What 200 people who look on cost a sync: the same syncs of a real agent and replica, in turns with
 * and without clients that ask for status and timeline every few seconds and listen to events.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type ClientRequest, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Product, SET } from '../harness.js';
import { quantile } from '../summary.js';
import { Random } from '../trees/random.js';

const VIEWERS = 200;
/** As often as the console asks for what no event told. */
const POLL_MS = 10_000;
const FILES = 20_000;
const CHANGED = 1_000;
const PAIRS = 8;

/** Time of a sync with viewers to that without. */
export async function measureViewers(options: {
  readonly scale: number;
  readonly seed: number;
  readonly say: (text: string) => void;
}): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), 'afterimage-viewers-'));
  const root = join(home, 'root');
  const files = Math.max(1000, Math.round(FILES * options.scale));
  const random = new Random(options.seed);
  writeTree(root, files);
  const product = await Product.start({
    ...{ root, folder: join(home, 'product'), schedule: 'asked' },
    set: { capture: { source: 'scan', scan_every: '7d' } },
    replica: { scrub: { every: 'never' } },
  });
  try {
    await product.sync();
    const times = { alone: [] as number[], watched: [] as number[] };
    for (let pair = 0; pair < PAIRS; pair += 1) {
      // Whoever is second in one pair is first in the next.
      for (const turn of pair % 2 === 0 ? [false, true] : [true, false]) {
        const viewers = turn ? await Viewers.come(product.api) : undefined;
        change(root, files, random);
        const startMs = performance.now();
        await product.sync();
        times[turn ? 'watched' : 'alone'].push(performance.now() - startMs);
        viewers?.go();
      }
    }
    const [alone, watched] = [times.alone, times.watched].map((each) =>
      quantile(
        each.sort((a, b) => a - b),
        0.5,
      ),
    ) as [number, number];
    options.say(`a sync: ${alone.toFixed(0)} ms alone, ${watched.toFixed(0)} ms watched\n`);
    return watched / alone;
  } finally {
    await product.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

function writeTree(root: string, files: number): void {
  for (let file = 0; file < files; file += 1) {
    if (file % 1000 === 0) mkdirSync(join(root, String(file / 1000)), { recursive: true });
    writeFileSync(pathOf(root, file), `file ${file}\n`.repeat(50));
  }
}

function pathOf(root: string, file: number): string {
  return join(root, String(Math.floor(file / 1000)), `file-${file}.txt`);
}

function change(root: string, files: number, random: Random): void {
  for (const file of random.choose(Math.min(CHANGED, files / 4), files)) {
    appendFileSync(pathOf(root, file), 'one more line\n');
  }
}

class Viewers {
  readonly #at: { readonly url: string; readonly token: string };
  readonly #agent = new Agent({ keepAlive: true });
  readonly #streams: ClientRequest[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #gone = false;

  private constructor(at: { readonly url: string; readonly token: string }) {
    this.#at = at;
  }

  /** Each listens, and has asked once. */
  static async come(at: { readonly url: string; readonly token: string }): Promise<Viewers> {
    const viewers = new Viewers(at);
    for (let viewer = 0; viewer < VIEWERS; viewer += 1) {
      await viewers.#listen();
      viewers.#timers.push(
        setTimeout(
          () => {
            viewers.#timers.push(
              setInterval(() => {
                viewers.#poll();
              }, POLL_MS),
            );
            viewers.#poll();
          },
          (viewer * POLL_MS) / VIEWERS,
        ),
      );
    }
    return viewers;
  }

  go(): void {
    this.#gone = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const stream of this.#streams) stream.destroy();
    this.#agent.destroy();
  }

  #poll(): void {
    this.#ask('/v1/status');
    this.#ask(`/v1/sets/${SET}/timeline`);
  }

  #ask(path: string): void {
    get(`${this.#at.url}${path}`, { agent: this.#agent, headers: this.#headers }, (answer) => {
      answer.resume();
    }).once('error', (error) => {
      if (!this.#gone) throw error;
    });
  }

  /** Resolves once the stream of events has begun. */
  #listen(): Promise<void> {
    const headers = { ...this.#headers, accept: 'text/event-stream' };
    return new Promise((resolve, reject) => {
      const stream = get(`${this.#at.url}/v1/events`, { headers }, (answer) => {
        answer.resume();
        resolve();
      });
      stream.once('error', (error) => {
        if (!this.#gone) reject(error);
      });
      this.#streams.push(stream);
    });
  }

  get #headers(): { readonly authorization: string } {
    return { authorization: `Bearer ${this.#at.token}` };
  }
}
