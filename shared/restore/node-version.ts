/** What every reader of a point tells of a node, and how it is asked for contents. */
import type { Xattr } from '../posix/posix.js';
import type { NodeKind } from '../protocol/records.js';

/** A node as it is at one point. */
export interface NodeVersion {
  readonly node: number;
  readonly kind: NodeKind;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly rdev: number;
  readonly target: Buffer;
  readonly xattrs: readonly Xattr[];
  /** First point at which the node was exactly this. */
  readonly born: number;
}

/** How blocks that are at hand are read. */
export interface ReadManner {
  /** `asker`: whoever asked compares them with the digests, and reads again where they differ. */
  readonly check?: 'here' | 'asker';
  /** Room for the bytes; a buffer of its own for each reading when left out. */
  readonly room?: (length: number) => Buffer;
}
