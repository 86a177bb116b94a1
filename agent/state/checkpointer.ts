/**
 * Brings SQLite's log into its database file from a thread of its own: the flushes of a checkpoint
 * would hold up everything else of the agent for as long as the disk takes. The thread ends when
 * nothing was written for a while. Without it, SQLite does its checkpoints itself, as it commits.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

/** Rows written between checkpoints, about: each has a page or two in the log. */
const ROWS_A_CHECKPOINT = 6_000;
/** Of 8 KiB. A log of more is brought in whole before more is written. */
const LOG_PAGES_MAX = 8_000;
/** What came in meanwhile is little: it is brought in at once, so that the log can begin anew. */
const ROUNDS_MAX = 3;
const IDLE_MS = 10_000;
const CLOSE_MS_MAX = 60_000;
const HEAP_MIB = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

/** A thread that is at work on the database says so here, to be waited for by a close. */
const IDLE = 0;
const AT_WORK = 1;

const code = `
const { parentPort, workerData } = require('node:worker_threads');
const Database = require(workerData.sqlite);
const state = new Int32Array(workerData.state);
const bringIn = () => {
  const db = new Database(workerData.path);
  try {
    db.pragma('synchronous = NORMAL');
    for (let round = 1; ; round += 1) {
      const [{ log, checkpointed }] = db.pragma('wal_checkpoint(PASSIVE)');
      // What is brought in whole is written over from its start.
      if (checkpointed >= log) return { pages: 0 };
      if (round >= workerData.roundsMax) return { pages: log };
    }
  } finally {
    db.close();
  }
};
parentPort.on('message', () => {
  let told;
  try {
    told = bringIn();
  } catch (error) {
    told = { failure: String(error) };
  }
  Atomics.store(state, 0, ${IDLE});
  Atomics.notify(state, 0);
  parentPort.postMessage(told);
});
`;

interface Told {
  /** In the log, at the end; 0 when the next write begins it anew. */
  readonly pages?: number;
  readonly failure?: string;
}

export class Checkpointer {
  readonly #path: string;
  readonly #onLost: () => void;
  readonly #state = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | undefined;
  #answer: (told: Told) => void = () => undefined;
  #running: Promise<void> | undefined;
  #idle: NodeJS.Timeout | undefined;
  #rows = 0;
  #pages = 0;
  /** The thread failed, or the database is closed. */
  #over = false;

  /** `onLost` is called when there is no thread any more. */
  constructor(path: string, onLost: () => void) {
    this.#path = path;
    this.#onLost = onLost;
  }

  /** So many rows were committed. */
  wrote(rows: number): void {
    this.#rows += rows;
    if (this.#rows >= ROWS_A_CHECKPOINT) void this.#start();
  }

  /** The log is too long: there is to be no transaction, and a wait for `room`. */
  get full(): boolean {
    return this.#pages > LOG_PAGES_MAX && !this.#over;
  }

  /** Undefined unless the log is too long: then nothing must be written until this resolves. */
  room(): Promise<void> | undefined {
    return this.full ? this.#bringInAll() : undefined;
  }

  /** Waits for a checkpoint under way, so that the database's last connection is not the thread's. */
  close(): void {
    this.#over = true;
    Atomics.wait(this.#state, 0, AT_WORK, CLOSE_MS_MAX);
    this.#end();
  }

  async #bringInAll(): Promise<void> {
    // One under way began before the last commit.
    await this.#running;
    await this.#start();
  }

  #start(): Promise<void> {
    if (this.#over) return Promise.resolve();
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#idle);
    this.#rows = 0;
    const told = await this.#ask();
    // A disk that fails is met by what is written next; the log is tried again after as many rows.
    this.#pages = told.pages ?? 0;
    this.#idle = setTimeout(() => {
      this.#end();
    }, IDLE_MS).unref();
  }

  #ask(): Promise<Told> {
    return new Promise((resolve) => {
      this.#answer = resolve;
      try {
        this.#worker ??= this.#open();
        Atomics.store(this.#state, 0, AT_WORK);
        this.#worker.postMessage('bring in');
      } catch (error) {
        this.#lose(error);
      }
    });
  }

  #open(): Worker {
    const worker = new Worker(code, {
      eval: true,
      resourceLimits: HEAP_MIB,
      workerData: {
        path: this.#path,
        sqlite: createRequire(import.meta.url).resolve('better-sqlite3'),
        state: this.#state.buffer,
        roundsMax: ROUNDS_MAX,
      },
    });
    worker.unref();
    worker.on('message', (told: Told) => {
      this.#answer(told);
    });
    worker.on('error', (error) => {
      this.#lose(error);
    });
    return worker;
  }

  /** What it was doing is done by SQLite itself, from now on. */
  #lose(error: unknown): void {
    Atomics.store(this.#state, 0, IDLE);
    this.#worker = undefined;
    const wasOver = this.#over;
    this.#over = true;
    this.#answer({ failure: String(error) });
    if (!wasOver) this.#onLost();
  }

  #end(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }
}
