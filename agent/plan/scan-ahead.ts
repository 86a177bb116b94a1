/**
 * Scans of a root's folders, made by native threads ahead of the walk. The walk and the threads go
 * in the same order; where they differ (an excluded folder, one that came or went meanwhile) the
 * walk scans for itself. A scan is used only while it is fresh (R16), and where the parent's was, so
 * that it is always of the folder that the walk means; where the walk scanned the parent again, the
 * folder must still be the one that the threads saw.
 */
import { errnoOf } from '../../shared/errors.js';
import type { Clock } from '../../shared/clock.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { ScannedFolder, TreeScan } from '../../shared/posix/tree-scan.js';
import type { OpenFolder } from './open-folder.js';
import type { OpenRoot } from './open-roots.js';
import type { FolderIdentity } from './plan-parts.js';

const THREADS = 2;
const BYTES_MAX = 8 * 1024 * 1024;
/** A walk that reads large files falls behind: what was scanned so long ago is scanned again. */
const FRESH_MS = 2_000;

export interface ScanAheadParts {
  readonly posix: Pick<Posix, 'scanTree' | 'lstat'>;
  readonly clock: Clock;
  readonly ownFolders: readonly FolderIdentity[];
}

/** A folder as it was after the walk began. */
export interface AheadScan {
  /** As of `scanFolderPacked`. A view, valid until the next call of `take`. */
  readonly packed: Buffer;
  /** When its scan began at the latest, ms since the epoch. */
  readonly scannedMs: number;
}

/** Where the threads met a folder of the walk. */
interface Place {
  readonly id: number;
  readonly depth: number;
  /** The walk used this scan: what lies in it is what the walk means. */
  readonly used: boolean;
}

export class ScanAhead {
  readonly #parts: ScanAheadParts;
  readonly #freshMs: number;
  #scan: TreeScan | undefined;
  #places = new WeakMap<OpenFolder, Place>();
  /** Not taken yet. */
  #front: ScannedFolder | undefined;

  constructor(parts: ScanAheadParts, freshMs = FRESH_MS) {
    this.#parts = parts;
    this.#freshMs = freshMs;
  }

  /** The walk of a root begins; that of the one before is over. */
  begin(root: Pick<OpenRoot, 'fd' | 'status'>): void {
    this.close();
    const { dev } = root.status;
    const skip = this.#parts.ownFolders.filter((own) => own.dev === dev).map(({ ino }) => ino);
    const how = { rootFd: root.fd, threads: THREADS, bytesMax: BYTES_MAX, skip };
    this.#places = new WeakMap();
    try {
      this.#scan = this.#parts.posix.scanTree(how);
    } catch (error) {
      // No descriptor or no thread to be had: the walk does without.
      if (errnoOf(error) === undefined) throw error;
    }
  }

  /** Undefined: the walk scans for itself. Every folder is asked for before those in it. */
  take(folder: OpenFolder): AheadScan | undefined {
    if (this.#scan === undefined) return undefined;
    const { parent } = folder;
    const within = parent === undefined ? undefined : this.#places.get(parent);
    if (parent !== undefined && within === undefined) return undefined;
    const depth = within === undefined ? 0 : within.depth + 1;
    const found = this.#find(this.#scan, { depth, parent: within?.id, name: folder.name });
    if (found === undefined) return undefined;
    const { id, packed } = found;
    const nowMs = this.#parts.clock.now();
    const used = packed !== undefined && nowMs - found.scannedMs <= this.#freshMs;
    // The walk's own scan of the parent may be of another folder under this name.
    const certain = used && within?.used !== false;
    if (!certain && !this.#isStill(folder, found)) return undefined;
    this.#places.set(folder, { id, depth, used });
    if (!used) return undefined;
    return { packed, scannedMs: Math.min(found.scannedMs, nowMs) };
  }

  /** Stops the threads. */
  close(): void {
    this.#scan?.close();
    this.#scan = undefined;
    this.#front = undefined;
  }

  /** Leaves out what comes before a folder, which the walk did not ask for. */
  #find(
    scan: TreeScan,
    wanted: {
      readonly depth: number;
      readonly parent: number | undefined;
      readonly name: Buffer;
    },
  ): ScannedFolder | undefined {
    for (;;) {
      const front = this.#front ?? scan.next(wanted.depth);
      this.#front = front;
      if (front === undefined || front.depth < wanted.depth) return undefined;
      if (front.depth === wanted.depth && front.parent === wanted.parent) {
        const order = front.parent === undefined ? 0 : front.name.compare(wanted.name);
        if (order > 0) return undefined;
        if (order === 0) {
          this.#front = undefined;
          return front;
        }
      }
      this.#front = undefined;
    }
  }

  /** What lies below may be used still, if it is the same folder. */
  #isStill(folder: OpenFolder, found: ScannedFolder): boolean {
    if (folder.parent === undefined) return true;
    try {
      return this.#parts.posix.lstat(folder.self()).ino === found.ino;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }
}
