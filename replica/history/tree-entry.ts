/** A name in a folder at a point, and what stands there. */
import type { NodeVersion } from '../../shared/restore/node-version.js';

export interface TreeEntry {
  readonly parent: number;
  readonly name: Buffer;
  readonly version: NodeVersion;
}

export interface WalkedEntry extends TreeEntry {
  /** From the set's root, components joined by `/`, no leading slash. */
  readonly path: Buffer;
}
