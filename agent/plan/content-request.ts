/** What both ways of reading a file share: the request, its outcome, and filling a row. */
import { blockCount, BLOCK_BYTES } from '../../shared/limits.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { DataRange, FileStatus, Posix } from '../../shared/posix/posix.js';
import type { SetSession } from '../ship/session.js';
import { ROW_BLOCKS, type BlockRow } from '../state/block-row.js';
import type { NodeRow } from '../state/node-row.js';
import type { AgentState } from '../state.js';
import type { BlockRun } from './block-reader.js';
import type { ContentSink } from './content-emitter.js';
import type { Workshop } from '../workers/workshop.js';
import type { Pause } from './pause.js';

export const ROW_BYTES = ROW_BLOCKS * BLOCK_BYTES;

/** The body word of a file's node record. */
export type FileBody = 'keep' | 'new';

export interface ContentParts extends ContentSink {
  readonly state: AgentState;
  readonly posix: Posix;
  readonly core: HashCore;
  /** Where files are read and named. */
  readonly work: Workshop;
  readonly session: Pick<SetSession, 'has' | 'signature' | 'live'>;
  readonly pause: Pause;
}

export interface ContentRequest {
  readonly fd: number;
  /** As `fstat` said of the live file before reading. */
  readonly status: FileStatus;
  /** `clone`: what `fd` reads cannot move; `status.size` is its size. Usually the live file. */
  readonly holds?: 'live' | 'clone';
  /**
   * Sorted, disjoint byte ranges outside of which the file is what the state's rows of it say (R27).
   * Undefined: it is hashed whole.
   */
  readonly ranges?: readonly DataRange[] | undefined;
  readonly node: number;
  /** What the state says of the node; undefined when it is new. */
  readonly before: NodeRow | undefined;
  /** The file that had this name before, when it was another one. */
  readonly replaced: NodeRow | undefined;
  /** How a lost sync remembered this very file (R12). */
  readonly provisional: Buffer;
  /** To be called once before the first record of content, with the file's size. */
  readonly announce: (said: Announcement) => Promise<void> | undefined;
}

export interface Announcement {
  readonly body: FileBody;
  readonly size: number;
  /** The content is read and did not move: the row may say so at once. */
  readonly steady: boolean;
}

export interface ContentOutcome {
  /** Bytes that the records describe; not always those of `status`. */
  readonly size: number;
  readonly body: FileBody;
  /** Content differs from what the replica had. */
  readonly changed: boolean;
  /** False when the file moved while it was read: it must be looked at again. */
  readonly steady: boolean;
  readonly bytesRead: number;
}

/** What `fstat` must say again for a read to count. */
export function sameMoment(a: FileStatus, b: FileStatus): boolean {
  return a.size === b.size && a.ctimeNs === b.ctimeNs && a.mtimeNs === b.mtimeNs;
}

/** True when what was read since `request.status` is of one moment. */
export function stayed(request: ContentRequest, posix: Posix): boolean {
  return request.holds === 'clone' || sameMoment(request.status, posix.fstat(request.fd));
}

/** Makes a row of what a run holds. */
export function fillRow(row: BlockRow, run: BlockRun): void {
  row.clear();
  putRun(row, run, 0);
}

/** Writes what a run holds into a row, from place `at` on. */
export function putRun(row: BlockRow, run: BlockRun, at: number): void {
  for (let index = 0; index < blockCount(run.length); index += 1) {
    if (run.isZero(index)) row.setZero(at + index);
    else {
      row.set(at + index, {
        digests: run.digests,
        fingerprints: run.fingerprints,
        from: index,
      });
    }
  }
}

/** Undefined for a file without holes. */
export function dataRanges(
  posix: Posix,
  fd: number,
  status: FileStatus,
): readonly DataRange[] | undefined {
  const sparse = status.size >= BLOCK_BYTES && posix.fstat(fd).blocks * 512 < status.size;
  return sparse ? posix.dataRanges(fd, status.size) : undefined;
}
