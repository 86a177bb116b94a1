/**
 * A link in a model: the agent's real stream of frames under its credit window, over a link of so
 * many bytes a second to a replica that takes so many, with a clock that only the model moves.
 */
import { randomBytes } from 'node:crypto';
import type {
  CompressionLevel,
  CompressionSetting,
} from '../../../agent/ship/compression-policy.js';
import { FrameCompressor } from '../../../agent/ship/frame-compressor.js';
import { HostProcessors } from '../../../agent/ship/host-processors.js';
import { KeptFrames } from '../../../agent/ship/kept-frames.js';
import { OutStream } from '../../../agent/ship/out-stream.js';
import { SealingKey } from '../../../shared/seal/sealing-key.js';
import { Spool } from '../../../agent/ship/spool.js';

const FRAME_BYTES = 256 * 1024;
const WINDOW_BYTES = 4 * 1024 * 1024;
const UNSENT_BYTES_MAX = 1024 * 1024;

/** One frame's worth of content: what zstd makes of it is in the model. */
const text = Buffer.alloc(FRAME_BYTES, 'all work and no play makes a dull copy of a file. ');
const dense = randomBytes(FRAME_BYTES);

/** What zstd costs and gives in the model: text of an application on one core. */
const levels: ReadonlyMap<CompressionLevel, { nsPerByte: number; ratio: number }> = new Map([
  [1, { nsPerByte: 2.6, ratio: 0.28 }],
  [3, { nsPerByte: 3.2, ratio: 0.274 }],
  [6, { nsPerByte: 9.5, ratio: 0.263 }],
  [9, { nsPerByte: 18.7, ratio: 0.262 }],
  [19, { nsPerByte: 226, ratio: 0.24 }],
]);

export interface ModelOptions {
  readonly setting: CompressionSetting;
  readonly contentBytes: number;
  /** Bytes of messages a second that the link takes, by the time of the model. */
  readonly linkBytesPerS: number | ((nowMs: number) => number);
  /** Bytes of content a second that the replica stages; no limit unless told. */
  readonly replicaBytesPerS?: number;
  /** What the agent does else for a byte: read, hash, seal. */
  readonly otherNsPerByte?: number;
  /** Share of the host's two processors that nobody uses. */
  readonly idleShare?: number;
  /** Every so many frames, one of text; the others are dense. */
  readonly textEvery?: number;
}

export interface ModelRun {
  readonly ms: number;
  readonly sentBytes: number;
  /** Time that compression took, of `ms`. */
  readonly compressMs: number;
  /** Level and reason of each frame. */
  readonly decisions: readonly { readonly level: CompressionLevel; readonly reason: string }[];
  readonly compressor: FrameCompressor;
}

/** Sends so much content. `compressor` goes on with what it learnt in an earlier run. */
export function runModel(options: ModelOptions): ModelRun {
  return new Model(options).run();
}

class Model {
  readonly #options: ModelOptions;
  readonly #out: OutStream;
  readonly #compressor: FrameCompressor;
  readonly #decisions: { level: CompressionLevel; reason: string }[] = [];
  readonly #arrivals: number[] = [];
  #nowMs = 0;
  #busyMs = 0;
  #compressMs = 0;
  #linkFreeMs = 0;
  #replicaFreeMs = 0;
  #received = 0;
  #sentBytes = 0;

  constructor(options: ModelOptions) {
    this.#options = options;
    const idleShare = options.idleShare ?? 0.9;
    const monotonic = (): number => this.#nowMs;
    const processors = new HostProcessors({
      monotonic,
      times: () => ({ idleMs: this.#nowMs * 2 * idleShare, totalMs: this.#nowMs * 2, cores: 2 }),
    });
    this.#compressor = new FrameCompressor({
      setting: options.setting,
      processors,
      monotonic,
      busyMs: () => this.#busyMs,
      zstd: (raw, level) => this.#zstd(raw, level),
    });
    const spool = new Spool({ folder: '/nonexistent', bytesMax: 0 });
    this.#out = new OutStream({
      kept: new KeptFrames({ spool, memoryBytesMax: Number.MAX_SAFE_INTEGER }),
      pace: this.#compressor,
      onUnreadable: (error) => {
        throw error;
      },
    });
    const seal = new SealingKey(randomBytes(32), '0123456789abcdef');
    const publish = (bytes: Uint8Array): void => {
      this.#publish(bytes.length);
    };
    this.#out.start({ seal, publish, windowBytes: WINDOW_BYTES }, 1);
  }

  run(): ModelRun {
    const frames = Math.ceil(this.#options.contentBytes / FRAME_BYTES);
    for (let frame = 0; frame < frames; frame += 1) {
      this.#work(((this.#options.otherNsPerByte ?? 1) * FRAME_BYTES) / 1e6);
      this.#cut(frame % (this.#options.textEvery ?? 1) === 0 ? text : dense);
      this.#acknowledge();
      while (this.#out.unsentBytes >= UNSENT_BYTES_MAX) this.#wait();
    }
    while (this.#received < frames) this.#wait();
    return {
      ms: this.#nowMs,
      sentBytes: this.#sentBytes,
      compressMs: this.#compressMs,
      decisions: this.#decisions,
      compressor: this.#compressor,
    };
  }

  #cut(raw: Buffer): void {
    const small = this.#compressor.compress(raw);
    if (raw === text) {
      const { level, reason } = this.#compressor.state;
      this.#decisions.push({ level, reason });
    }
    const compressed = small !== undefined;
    this.#out.add({ recordCount: 1, body: small ?? raw, compressed, rawLength: raw.length });
  }

  #zstd(raw: Uint8Array, level: CompressionLevel): Buffer | undefined {
    const costs = levels.get(level);
    if (costs === undefined) throw new Error(`the model knows no level ${level}`);
    const ms = (costs.nsPerByte * raw.length) / 1e6;
    this.#work(ms);
    this.#compressMs += ms;
    return Buffer.alloc(Math.round(raw.length * costs.ratio));
  }

  #work(ms: number): void {
    this.#nowMs += ms;
    this.#busyMs += ms;
  }

  #publish(bytes: number): void {
    const { linkBytesPerS, replicaBytesPerS } = this.#options;
    const rate = typeof linkBytesPerS === 'number' ? linkBytesPerS : linkBytesPerS(this.#nowMs);
    this.#sentBytes += bytes;
    this.#linkFreeMs = Math.max(this.#linkFreeMs, this.#nowMs) + (bytes / rate) * 1000;
    const stageMs = replicaBytesPerS === undefined ? 0 : (FRAME_BYTES / replicaBytesPerS) * 1000;
    this.#replicaFreeMs = Math.max(this.#replicaFreeMs, this.#linkFreeMs) + stageMs;
    this.#arrivals.push(this.#replicaFreeMs);
  }

  /** Nothing to do until the next acknowledgement. */
  #wait(): void {
    this.#nowMs = Math.max(this.#nowMs, this.#arrivals[this.#received] ?? this.#nowMs);
    this.#acknowledge();
  }

  #acknowledge(): void {
    const before = this.#received;
    while ((this.#arrivals[this.#received] ?? Infinity) <= this.#nowMs) this.#received += 1;
    if (this.#received === before) return;
    const received = this.#received;
    this.#out.onAck({ next: received + 1, received, durable: received, counter: 0, gap: false });
  }
}
