/**
 * Compresses the frames of one set: measures what compression costs and gives and what the link
 * takes, and asks the policy before each frame. What it is said to do is told in the agent's status.
 */
import { performance } from 'node:perf_hooks';
import {
  compressAt,
  COMPRESS_BYTES_MIN,
  DENSE_BITS,
  sampledEntropy,
} from '../../shared/protocol/compress.js';
import {
  autoLevels,
  chooseCompression,
  type CompressionLevel,
  type CompressionDecision,
  type CompressionReason,
  type CompressionSetting,
  LITTLE_LEVEL,
} from './compression-policy.js';
import { HostProcessors } from './host-processors.js';
import { LevelCosts } from './level-costs.js';
import { LinkMeter, type ReceivedBytes } from './link-meter.js';
import { CompressionTrial } from './compression-trial.js';

/** Bits of entropy per byte up to which content counts as text. */
const TEXT_BITS = 6;
/** How busy the thread is otherwise is read once in so much content. */
const OTHER_BYTES = 2 * 1024 * 1024;
const OTHER_WEIGHT = 0.3;

export interface FrameCompressorOptions {
  readonly setting?: CompressionSetting;
  /** Shared by the sets of an agent. */
  readonly processors?: HostProcessors;
  readonly monotonic?: () => number;
  /** Milliseconds that this thread was busy since it started. */
  readonly busyMs?: () => number;
  /** Undefined when the bytes travel better as they are; tests put in one that takes no real time. */
  readonly zstd?: (raw: Uint8Array, level: CompressionLevel) => Buffer | undefined;
}

/** What is in use, and why. */
export interface CompressionState {
  readonly setting: CompressionSetting;
  /** Of the newest frame that could be compressed; 0 is none. */
  readonly level: CompressionLevel;
  readonly reason: CompressionReason;
  /** What the link takes, bytes a second; null until frames had to wait for it. */
  readonly linkBytesPerSecond: number | null;
  /** Bytes of frames before and after compression, since the agent started. */
  readonly rawBytes: number;
  readonly sentBytes: number;
}

export class FrameCompressor {
  readonly #setting: CompressionSetting;
  readonly #processors: HostProcessors;
  readonly #monotonic: () => number;
  readonly #busyMs: () => number;
  readonly #zstd: (raw: Uint8Array, level: CompressionLevel) => Buffer | undefined;
  readonly #meter = new LinkMeter();
  readonly #trial = new CompressionTrial();
  readonly #kinds = {
    text: { costs: new LevelCosts(), level: 0 },
    mixed: { costs: new LevelCosts(), level: 0 },
  };
  #newest: CompressionDecision;
  #rawBytes = 0;
  #sentBytes = 0;
  #otherMsPerByte = 0;
  #ownMs = 0;
  #looked: { busyMs: number; rawBytes: number; ownMs: number };

  constructor(options: FrameCompressorOptions = {}) {
    this.#setting = options.setting ?? 'auto';
    this.#monotonic = options.monotonic ?? (() => performance.now());
    this.#busyMs = options.busyMs ?? (() => performance.eventLoopUtilization().active);
    this.#zstd = options.zstd ?? compressAt;
    this.#processors = options.processors ?? new HostProcessors({ monotonic: this.#monotonic });
    this.#newest = firstDecision(this.#setting);
    this.#looked = { busyMs: this.#busyMs(), rawBytes: 0, ownMs: 0 };
  }

  get state(): CompressionState {
    const linkBytesPerMs = this.#meter.bytesPerMs(this.#monotonic());
    return {
      setting: this.#setting,
      ...this.#newest,
      linkBytesPerSecond: linkBytesPerMs === undefined ? null : Math.round(linkBytesPerMs * 1000),
      rawBytes: this.#rawBytes,
      sentBytes: this.#sentBytes,
    };
  }

  /** The body as one zstd frame, a new buffer; undefined when it travels better as it is. */
  compress(raw: Uint8Array): Buffer | undefined {
    const small = this.#compress(raw);
    this.#rawBytes += raw.length;
    this.#sentBytes += small?.length ?? raw.length;
    return small;
  }

  /** Frames wait for credit, or none does any more. */
  waits(held: boolean): void {
    this.#meter.waits(held, this.#monotonic());
  }

  /** The replica has received so much more. */
  received(bytes: ReceivedBytes): void {
    const nowMs = this.#monotonic();
    const reading = this.#meter.received(bytes, nowMs);
    if (reading !== undefined) this.#trial.read(reading, nowMs);
  }

  /** The session broke. */
  interrupt(): void {
    this.#meter.interrupt();
    this.#trial.interrupt();
  }

  #compress(raw: Uint8Array): Buffer | undefined {
    if (this.#setting === 'none' || raw.length < COMPRESS_BYTES_MIN) return undefined;
    const bits = sampledEntropy(raw);
    if (bits > DENSE_BITS) return undefined;
    const kind = bits <= TEXT_BITS ? this.#kinds.text : this.#kinds.mixed;
    const level = this.#levelFor(kind, raw.length);
    if (level === 0) return undefined;
    const startMs = this.#monotonic();
    const small = this.#zstd(raw, level);
    const ms = this.#monotonic() - startMs;
    const sentBytes = small?.length ?? raw.length;
    kind.costs.add({ level, rawBytes: raw.length, sentBytes, ms });
    this.#processors.spend(ms, this.#newest.reason === 'little' ? 'little' : 'much');
    this.#ownMs += ms;
    return small;
  }

  #levelFor(kind: { costs: LevelCosts; level: CompressionLevel }, bytes: number): CompressionLevel {
    if (this.#setting !== 'auto') return this.#setting === 'none' ? 0 : this.#setting;
    this.#lookAtOther();
    const nowMs = this.#monotonic();
    const decision = chooseCompression({
      levels: autoLevels.map((level) => kind.costs.of(level)),
      current: kind.level,
      linkBytesPerMs: this.#meter.bytesPerMs(nowMs),
      otherMsPerByte: this.#otherMsPerByte,
      coresMax: this.#processors.coresMax,
      trial: this.#trial.result(nowMs),
      isLittle: this.#processors.hasTimeForLittle,
    });
    const isBulk = decision.reason === 'link-bound';
    kind.level = isBulk ? decision.level : 0;
    this.#trial.frame({ isBulk, bytes });
    this.#newest = decision;
    return decision.level;
  }

  #lookAtOther(): void {
    const bytes = this.#rawBytes - this.#looked.rawBytes;
    if (bytes < OTHER_BYTES) return;
    const busyMs = this.#busyMs();
    const ownMs = this.#ownMs - this.#looked.ownMs;
    const other = Math.max(0, busyMs - this.#looked.busyMs - ownMs) / bytes;
    this.#otherMsPerByte += (other - this.#otherMsPerByte) * OTHER_WEIGHT;
    this.#looked = { busyMs, rawBytes: this.#rawBytes, ownMs: this.#ownMs };
  }
}

function firstDecision(setting: CompressionSetting): CompressionDecision {
  if (setting === 'auto') return { level: LITTLE_LEVEL, reason: 'little' };
  return { level: setting === 'none' ? 0 : setting, reason: 'configured' };
}
