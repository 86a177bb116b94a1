/**
 * What compression may take of the host: half of the processor time that nobody uses, so that the
 * application that is protected never waits for its copy to become smaller. All sets of an agent
 * share one.
 */
import { cpus } from 'node:os';

const LOOK_MS = 1000;
/** Of what is idle. */
const SHARE = 0.5;
/** What a host without any idle time gives, in processors. */
const CORES_MIN = 0.25;
/** Set aside for what is little: so much at once, and so much of each ms. */
const LITTLE_MS_MAX = 40;
const LITTLE_SHARE = 0.01;

/** Processor time of the whole host since it started, ms; tests put in their own. */
export interface ProcessorTimes {
  readonly idleMs: number;
  readonly totalMs: number;
  readonly cores: number;
}

export class HostProcessors {
  readonly #times: () => ProcessorTimes;
  readonly #monotonic: () => number;
  #before: ProcessorTimes;
  #lookedMs: number;
  #ownMs = 0;
  #coresMax = CORES_MIN;
  #littleMs = LITTLE_MS_MAX;
  #filledMs: number;

  constructor(
    options: { readonly monotonic?: () => number; readonly times?: () => ProcessorTimes } = {},
  ) {
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#times = options.times ?? hostTimes;
    this.#before = this.#times();
    this.#lookedMs = this.#monotonic();
    this.#filledMs = this.#lookedMs;
    this.#coresMax = Math.max(CORES_MIN, SHARE * this.#before.cores);
  }

  /** Processors that compression may keep busy. */
  get coresMax(): number {
    const nowMs = this.#monotonic();
    const ms = nowMs - this.#lookedMs;
    if (ms < LOOK_MS) return this.#coresMax;
    const now = this.#times();
    const total = now.totalMs - this.#before.totalMs;
    const idle = total <= 0 ? 0 : ((now.idleMs - this.#before.idleMs) / total) * now.cores;
    this.#coresMax = Math.max(CORES_MIN, SHARE * (idle + this.#ownMs / ms));
    this.#before = now;
    this.#lookedMs = nowMs;
    this.#ownMs = 0;
    return this.#coresMax;
  }

  /** Time is left for what is little. */
  get hasTimeForLittle(): boolean {
    const nowMs = this.#monotonic();
    const filled = this.#littleMs + (nowMs - this.#filledMs) * LITTLE_SHARE;
    this.#littleMs = Math.min(LITTLE_MS_MAX, filled);
    this.#filledMs = nowMs;
    return this.#littleMs > 0;
  }

  /** Compression took so long, of what is little or of much. */
  spend(ms: number, of: 'little' | 'much'): void {
    this.#ownMs += ms;
    if (of === 'little') this.#littleMs -= ms;
  }
}

function hostTimes(): ProcessorTimes {
  const all = cpus();
  let idleMs = 0;
  let totalMs = 0;
  for (const { times } of all) {
    idleMs += times.idle;
    totalMs += times.user + times.nice + times.sys + times.irq + times.idle;
  }
  return { idleMs, totalMs, cores: Math.max(1, all.length) };
}
