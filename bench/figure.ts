/** One measured number of the benchmarks, with what it is held against. */
export interface Figure {
  readonly name: string;
  /** The median of the rounds. */
  readonly value: number;
  readonly unit: string;
  /** Least, median and greatest of the rounds. */
  readonly rounds: readonly [number, number, number];
  /** What ran beside it in the same rounds; empty for none. */
  readonly against: string;
  /** What was promised, in words; empty for nothing. */
  readonly target: string;
  /** Whether the median keeps the promise; null when nothing was promised or could be compared. */
  readonly met: boolean | null;
}
