/**
 * Tries on a file system what the tracker relies on: a file without a name is changed in every way
 * there is, and each must be reported where it happened. A kernel or a mount that does otherwise is not
 * served, whatever else is known of it.
 */
import { closeSync, readlinkSync, writeSync } from 'node:fs';
import { BLOCK_BYTES } from '../../shared/limits.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { ExerciseKind, OpenTracker, TrackedInode } from '../../shared/posix/tracker.js';
import { BlockMarks } from './bpf-marks.js';
import type { WordSpan } from './bpf-room.js';

/** Blocks of the file, and the one where each change begins. */
const FILE_BLOCKS = 16;
const CHANGED_BLOCK = 5;
/** Words of marks that the check needs in each stretch. */
export const CHECK_WORDS = 1;

/** What every file system can; the others may be refused, and then they cannot happen either. */
const always: readonly ExerciseKind[] = ['write', 'store'];
const kinds: readonly ExerciseKind[] = [
  ...always,
  'direct',
  'punch',
  'zero',
  'clone',
  'collapse',
  'insert',
  'truncate',
];
const directPrograms = ['direct_begun', 'direct_done'];

export interface CheckPlace {
  /** Of a file on the file system, whose folder takes the nameless one. */
  readonly fd: number;
  readonly slot: number;
  /** Of CHECK_WORDS in each stretch. */
  readonly span: WordSpan;
}

/** Undefined when every change is reported, else what is not. Throws when it cannot be tried. */
export async function checkFileSystem(
  tracker: OpenTracker,
  posix: Posix,
  place: CheckPlace,
): Promise<string | undefined> {
  const fd = posix.openTemporary(folderOf(place.fd), 0o600);
  if (fd === undefined) return 'it has no nameless files to try it with';
  try {
    const inode = tracker.addon.inodeOf(fd);
    if (inode.refusal !== '') return inode.refusal;
    const { kernel } = tracker;
    kernel.follow(
      place.slot,
      inode.inode,
      inode.device,
      inode.generation,
      place.span.first,
      CHECK_WORDS,
    );
    try {
      return await tryAll(tracker, { fd, slot: place.slot, inode });
    } finally {
      kernel.unfollow(inode.inode, inode.device, inode.generation);
    }
  } finally {
    closeSync(fd);
  }
}

interface Trial {
  readonly fd: number;
  readonly slot: number;
  readonly inode: TrackedInode;
}

async function tryAll(tracker: OpenTracker, trial: Trial): Promise<string | undefined> {
  for (const kind of kinds) {
    await prepare(tracker, trial);
    const before = hitsByName(tracker);
    const errno = tracker.addon.exercise(trial.fd, Buffer.from(kind), CHANGED_BLOCK * BLOCK_BYTES);
    if (errno !== 0) {
      if (always.includes(kind)) return `${kind} fails there (errno ${errno})`;
      continue;
    }
    const after = hitsByName(tracker);
    const hit = (name: string): boolean => (after.get(name) ?? 0) > (before.get(name) ?? 0);
    if (hit('ext4_journalled_write_end')) return 'its content is journalled';
    const silent = kind === 'direct' ? directPrograms.find((name) => !hit(name)) : undefined;
    if (silent !== undefined) return `${silent} does not see a direct write`;
    if (!isMarked(tracker, trial.slot)) return `the kernel does not report: ${kind}`;
  }
  return undefined;
}

/** A file full of bytes, all clean, and nothing marked. */
async function prepare({ kernel }: OpenTracker, { fd, slot }: Trial): Promise<void> {
  writeSync(fd, Buffer.alloc(FILE_BLOCKS * BLOCK_BYTES, 1), 0, FILE_BLOCKS * BLOCK_BYTES, 0);
  await kernel.await(fd);
  kernel.turn(slot);
  await kernel.await();
  kernel.take(slot);
}

function isMarked({ kernel }: OpenTracker, slot: number): boolean {
  const { bits, tailFrom, lost } = kernel.peek(slot);
  const marks = new BlockMarks(bits, tailFrom < 0 ? Infinity : tailFrom);
  const at = CHANGED_BLOCK * BLOCK_BYTES;
  return (
    !lost &&
    marks.ranges(FILE_BLOCKS * BLOCK_BYTES).some(({ start, end }) => start <= at && at < end)
  );
}

function hitsByName({ kernel }: OpenTracker): Map<string, number> {
  const hits = kernel.hits();
  return new Map(kernel.programs().map(({ name }, number) => [name, hits[number] ?? 0]));
}

function folderOf(fd: number): Buffer {
  const path = readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' });
  return path.subarray(0, Math.max(1, path.lastIndexOf(0x2f)));
}
