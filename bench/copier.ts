/** What the product and its peers have in common: they bring a copy up to date with a tree. */

/** One run, from being asked until the copy is what the tree was. */
export interface CopyRun {
  readonly ms: number;
  /** To the other side; undefined when the copier does not tell. */
  readonly sentBytes: number | undefined;
}

export interface Copier {
  readonly name: string;
  /** Name, version and how it is run, for reports. */
  readonly about: string;
  copy(): Promise<CopyRun>;
  /** Digest of the copy's names and contents: see trees/tree-digest.ts. */
  digest(): Promise<string>;
  stop(): Promise<void>;
}

export interface CopierOptions {
  readonly root: string;
  /** For everything the copier keeps; made anew. */
  readonly folder: string;
}
