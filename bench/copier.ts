/** What the product and its peers have in common: they bring a copy up to date with a tree. */

/** Bytes of a file as it was at the oldest state that a copier keeps. */
export interface OldRange {
  /** Path below the root. */
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface Copier {
  readonly name: string;
  /** Name, version and how it is run, for reports. */
  readonly about: string;
  /** Its processes that stay, by name, at present. */
  processes(): ReadonlyMap<string, number>;
  /** Resolves when the copy is what the tree was. */
  copy(): Promise<void>;
  /** Digest of the copy's names and contents: see trees/tree-digest.ts. */
  digest(): Promise<string>;
  /** What lies on the disk for the copy and its history. */
  readonly storeFolder: string;
  stop(): Promise<void>;
  /** Nothing is between it and its store: what it sent is what the store's files grew by. */
  readonly local?: true;
  /** What the last copy sent, as it tells itself; for machines that cannot count for everybody. */
  readonly toldBytes?: () => Promise<number | undefined>;
  // What follows is absent where a copier cannot do it.
  /** Writes the newest state into a new folder and gives the place of the tree in it. */
  readonly restoreAll?: (target: string) => Promise<string>;
  /** Makes a tree that `restoreAll` wrote what the newest state is. */
  readonly restoreInPlace?: (target: string) => Promise<void>;
  /** One file of the newest state, by its path below the root. */
  readonly readFile?: (path: string) => Promise<Buffer>;
  readonly readOldRange?: (range: OldRange) => Promise<Buffer>;
  /** Looks for a name in all states; gives how many of them have it, or versions, at least 1. */
  readonly find?: (name: string) => Promise<number>;
}

export interface CopierOptions {
  readonly root: string;
  /** For everything the copier keeps; made anew. */
  readonly folder: string;
  /** For what it keeps on the side of the source; in `folder` unless told. */
  readonly sourceFolder?: string;
}
