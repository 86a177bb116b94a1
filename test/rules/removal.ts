/** One rule of the design taken out of the code, and the test that has to notice. */
export interface Removal {
  /** `R1` to `R28`, or `P1` to `P10` for a promise. */
  readonly rule: string;
  /** What the code does no longer, as a table's cell says it. */
  readonly without: string;
  /** Source file from the project's root. */
  readonly file: string;
  /** Text that stands exactly once in the file, and what stands there instead. */
  readonly find: string;
  readonly put: string;
  /** The test file, and part of its title when one test is enough. */
  readonly test: string;
  readonly title?: string;
  /** The test starts processes of the built product. */
  readonly built?: true;
  readonly env?: Readonly<Record<string, string>>;
}
