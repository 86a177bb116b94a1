/** An entry where a walk found it, and what came of planning it. */
import type { ScanEntry } from '../../shared/posix/posix.js';
import type { NodeKind } from '../../shared/protocol/records.js';
import type { OpenFolder } from './open-folder.js';

/** What is asked of the folder an entry was found in. */
export type FolderAt = Pick<OpenFolder, 'node' | 'rootName' | 'child' | 'pathOf'>;

/** One entry of a scan, where it was found. */
export interface Found {
  readonly folder: FolderAt;
  readonly entry: ScanEntry;
  readonly kind: NodeKind;
}

export interface Planned {
  /** Undefined when there is no such node in the point: unreadable or vanished. */
  readonly node: number | undefined;
  /** False when it must be looked at again. */
  readonly settled: boolean;
}
