/** What every benchmark is run with. */
export interface RunOptions {
  readonly rounds: number;
  /** 1 for the sizes in docs/guide/benchmarks.md; less for a quicker look. */
  readonly scale: number;
  /** What options of its own were given, by name. */
  readonly given?: Readonly<Record<string, string>>;
  /** Words after its name. */
  readonly words?: readonly string[];
  /** Prints tables of its own where people read; absent with `--json`. */
  readonly tell?: (text: string) => void;
}
