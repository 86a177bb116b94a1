/**
 * The agent's end of the watchdog process. Starts it, arms and disarms releases, starts it anew
 * when it was killed and arms again what is held; when it cannot be started, what is held is
 * released at once from here.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { ArmedEntry } from './armed-entry.js';
import type { Armed } from './armed-entry.js';
import { readJsonLines, writeJsonLine } from './json-lines.js';
import { processEntry } from './process-entry.js';
import { performRelease } from './release-action.js';
import type { ReleaseAction } from './release-action.js';
import { isFromWatchdog } from './watchdog-protocol.js';
import type { FromWatchdog, ToWatchdog } from './watchdog-protocol.js';

export interface WatchdogOptions {
  readonly log: Log;
  /** Where armed releases are kept on disk, for the case that the watchdog is killed as well. */
  readonly armedFile?: string;
}

export interface ArmRequest {
  /** From now, in milliseconds. */
  readonly deadlineMs: number;
  readonly action: ReleaseAction;
}

export interface Watchdog {
  /** Process id of the watchdog that runs now. */
  readonly pid: number;
  /**
   * Resolves when the watchdog holds the release: only then may the hold begin.
   * Rejects with `quiesce-failed` when no watchdog can be had.
   */
  arm(request: ArmRequest): Promise<Armed>;
  /** Ends the process; it releases what is still armed. */
  close(): Promise<void>;
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** Longest start, which includes releasing what an earlier agent left held. */
const START_MS_MAX = 120_000;

/** Kills in a row after which nothing is held any longer. */
const RESTARTS_MAX = 5;

/** Once per agent process. */
export async function startWatchdog(options: WatchdogOptions): Promise<Watchdog> {
  const client = new WatchdogClient(options);
  await client.start();
  return client;
}

class WatchdogClient implements Watchdog {
  readonly #options: WatchdogOptions;
  readonly #entries = new Map<string, ArmedEntry>();
  #child: Child | undefined;
  #starting: Promise<void> | undefined;
  #closing = false;
  #nextId = 1;
  #restarts = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async arm(request: ArmRequest): Promise<Armed> {
    if (this.#closing) throw new AfterimageError('quiesce-failed', 'the watchdog is closed');
    if (this.#child === undefined) await this.start();
    const id = String(this.#nextId);
    this.#nextId += 1;
    const entry = new ArmedEntry(id, request, {
      send: (message) => {
        this.#send(message);
      },
      forget: () => {
        this.#entries.delete(id);
      },
    });
    this.#entries.set(id, entry);
    await entry.arm();
    this.#restarts = 0;
    return entry;
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#starting?.catch(() => undefined); // told to whoever asked for the start
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.stdin.end();
    await gone;
  }

  start(): Promise<void> {
    this.#starting ??= this.#spawn().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  #spawn(): Promise<void> {
    const { armedFile } = this.#options;
    const entryFile = processEntry('watchdog');
    const child = spawn(
      process.execPath,
      ['--max-old-space-size=32', entryFile, ...(armedFile === undefined ? [] : [armedFile])],
      {
        detached: true,
        cwd: '/',
        env: { ...process.env, NODE_OPTIONS: '' },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    // A write to a watchdog that was just killed: its exit tells.
    child.stdin.on('error', () => undefined);
    return new Promise((resolve, reject) => {
      const fail = (why: string, cause?: unknown): void => {
        clearTimeout(timer);
        reject(new AfterimageError('quiesce-failed', `the watchdog ${why}`, { cause }));
      };
      const timer = setTimeout(() => {
        fail(`did not start within ${START_MS_MAX} ms`);
        child.kill('SIGKILL');
      }, START_MS_MAX);
      child.once('error', (error) => {
        fail('could not be started', error);
      });
      child.once('exit', () => {
        fail('ended while starting');
        if (this.#child === child) this.#onExit();
      });
      readJsonLines(
        child.stdout,
        (message) => {
          if (!isFromWatchdog(message)) return;
          if (message.say === 'ready') {
            clearTimeout(timer);
            this.#onReady(child, message);
            resolve();
          } else this.#entries.get(message.id)?.hear(message);
        },
        () => undefined,
      );
    });
  }

  #onReady(child: Child, message: Extract<FromWatchdog, { say: 'ready' }>): void {
    this.#child = child;
    if (message.leftovers > 0) {
      this.#options.log.warn('released what an earlier agent had left held', {
        releases: message.leftovers,
        problems: message.problems.join('; '),
      });
    }
    for (const entry of this.#entries.values()) entry.say();
  }

  #onExit(): void {
    this.#child = undefined;
    if (this.#closing) return;
    this.#options.log.warn('the watchdog was killed', { held: this.#entries.size });
    if (this.#entries.size === 0) return; // the next arm starts another
    this.#restarts += 1;
    if (this.#restarts > RESTARTS_MAX) void this.#releaseHere();
    else {
      this.start().catch((error: unknown) => {
        this.#options.log.error('the watchdog cannot be started again', error);
        void this.#releaseHere();
      });
    }
  }

  async #releaseHere(): Promise<void> {
    this.#options.log.warn('no watchdog: releasing what is held', { held: this.#entries.size });
    await Promise.all(
      [...this.#entries.values()].map((entry) => entry.releaseHere(performRelease)),
    );
    this.#restarts = 0;
  }

  #send(message: ToWatchdog): void {
    if (this.#child !== undefined) writeJsonLine(this.#child.stdin, message);
  }
}
