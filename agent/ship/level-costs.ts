/**
 * What each level costs and gives on this machine for the content at hand, learnt from every frame
 * that was compressed. A level that was not used yet is put beside the one that was used last.
 */
import type { CompressionLevel, LevelCost } from './compression-policy.js';

/** How much a frame counts. */
const WEIGHT = 0.1;
/** Shorter frames are measured more by the clock's grain than by their content. */
const BYTES_MIN = 8 * 1024;

/** Measured on text of an application in frames of 256 KiB; only their proportions matter. */
const priors: readonly LevelCost[] = [
  { level: 1, msPerByte: 2.6e-6, ratio: 0.28 },
  { level: 3, msPerByte: 3.2e-6, ratio: 0.274 },
  { level: 6, msPerByte: 9.5e-6, ratio: 0.263 },
  { level: 9, msPerByte: 18.7e-6, ratio: 0.262 },
];

/** Of one kind of content. */
export class LevelCosts {
  readonly #seen = new Map<CompressionLevel, LevelCost>();
  #newest: LevelCost | undefined;

  /** A frame was compressed; `sent` counts what travels, which is all of it when it did not pay. */
  add(frame: {
    readonly level: CompressionLevel;
    readonly rawBytes: number;
    readonly sentBytes: number;
    readonly ms: number;
  }): void {
    const { level, rawBytes, sentBytes, ms } = frame;
    if (rawBytes < BYTES_MIN) return;
    const now = { level, msPerByte: ms / rawBytes, ratio: sentBytes / rawBytes };
    const before = this.#seen.get(level) ?? now;
    this.#newest = {
      level,
      msPerByte: before.msPerByte + (now.msPerByte - before.msPerByte) * WEIGHT,
      ratio: before.ratio + (now.ratio - before.ratio) * WEIGHT,
    };
    this.#seen.set(level, this.#newest);
  }

  of(level: CompressionLevel): LevelCost {
    return this.#seen.get(level) ?? this.#guess(level);
  }

  #guess(level: CompressionLevel): LevelCost {
    const prior = priorOf(level);
    const seen = this.#newest;
    if (seen === undefined) return prior;
    const beside = priorOf(seen.level);
    return {
      level,
      msPerByte: (prior.msPerByte * seen.msPerByte) / beside.msPerByte,
      ratio: Math.min(1, (prior.ratio * seen.ratio) / beside.ratio),
    };
  }
}

function priorOf(level: CompressionLevel): LevelCost {
  return priors.findLast((prior) => prior.level <= level) ?? { level, msPerByte: 0, ratio: 1 };
}
