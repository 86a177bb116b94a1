/** What every benchmark is run with. */
export interface RunOptions {
  readonly rounds: number;
  /** 1 for the sizes in docs/guide/benchmarks.md; less for a quicker look. */
  readonly scale: number;
}
