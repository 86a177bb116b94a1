/** Progress of something long: a bar on a terminal, a line now and then otherwise. */
import { createRequire } from 'node:module';
import type { SingleBar } from 'cli-progress';
import { formatBytes, formatCount, formatDuration } from './format.js';
import type { Io } from './io.js';

/** A bar is drawn only on a terminal: nobody else waits for it to be loaded. */
const load = createRequire(import.meta.url);
const LINE_EVERY_MS = 5000;
const DRAW_EVERY_MS = 100;

export interface ProgressState {
  readonly entries: number;
  readonly bytes: number;
}

export class Progress {
  readonly #io: Io;
  readonly #verb: string;
  readonly #totals: Partial<ProgressState>;
  readonly #startedMs = performance.now();
  #bar: SingleBar | undefined;
  #shownMs = 0;
  #state: ProgressState = { entries: 0, bytes: 0 };

  /** `verb` says what is going on: `restoring`. */
  constructor(io: Io, verb: string, totals: Partial<ProgressState> = {}) {
    this.#io = io;
    this.#verb = verb;
    this.#totals = totals;
    if (io.errIsTerminal) this.#bar = this.#startBar();
  }

  update(state: ProgressState): void {
    this.#state = state;
    const now = performance.now();
    const everyMs = this.#bar === undefined ? LINE_EVERY_MS : DRAW_EVERY_MS;
    if (now - Math.max(this.#shownMs, this.#startedMs) < everyMs) return;
    this.#shownMs = now;
    if (this.#bar === undefined) this.#io.err(`${this.#verb}: ${this.#text()}\n`);
    else this.#draw(this.#bar);
  }

  /** Takes the bar away; what was printed as lines stays. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #startBar(): SingleBar {
    const { SingleBar } = load('cli-progress') as typeof import('cli-progress');
    const bar = new SingleBar({
      stream: process.stderr,
      format: `${this.#verb} [{bar}] {percentage}% {text}`,
      barCompleteChar: '#',
      barIncompleteChar: '-',
      hideCursor: true,
      clearOnComplete: true,
      gracefulExit: true,
    });
    bar.start(this.#total(), 0, { text: '' });
    return bar;
  }

  #draw(bar: SingleBar): void {
    bar.update(Math.min(this.#total(), this.#done()), { text: this.#text() });
  }

  #total(): number {
    return Math.max(1, (this.#totals.bytes ?? 0) || (this.#totals.entries ?? 0));
  }

  #done(): number {
    return (this.#totals.bytes ?? 0) > 0 ? this.#state.bytes : this.#state.entries;
  }

  #text(): string {
    const { entries, bytes } = this.#state;
    const elapsedMs = performance.now() - this.#startedMs;
    const rate = elapsedMs > 0 ? (bytes * 1000) / elapsedMs : 0;
    const of = this.#totals.bytes === undefined ? '' : ` of ${formatBytes(this.#totals.bytes)}`;
    const amount = `${formatBytes(bytes)}${of}, ${formatCount(entries)} entries`;
    return `${amount}, ${formatBytes(rate)}/s, ${formatDuration(elapsedMs)}`;
  }
}
