/**
 * The kernel's tracker of changed blocks as the addon `afterimage_tracker` offers it, and where it is
 * found. It is built where libbpf is installed, and works where the process may load BPF programs and
 * the kernel has type information; everything else works without it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../errors.js';

/** Of native/tracker/addon.cc */
const VERSION = 1;

/** An inode as the programs see it, and whether all its changes pass them. */
export interface TrackedInode {
  readonly inode: bigint;
  /** The kernel's own number of the device, not that of stat. */
  readonly device: number;
  readonly generation: number;
  /** Empty for any other file system. */
  readonly fileSystem: 'ext4' | 'xfs' | '';
  /** Why its changes do not all pass the programs; empty when they do. */
  readonly refusal: string;
}

export interface TrackerProgram {
  readonly name: string;
  /** Whose changes it sees; empty for both. */
  readonly fileSystem: 'ext4' | 'xfs' | '';
  /** The kernel cannot do what it would report, where it is missing. */
  readonly optional: boolean;
  /** Why it is not attached; empty when it is. */
  readonly whyNot: string;
}

/** What one side of a slot holds. */
export interface TrackerMarks {
  /** A bit for each block of 64 KiB, lowest first. */
  readonly bits: Buffer;
  /** Every byte from here on counts as changed; -1 for none. */
  readonly tailFrom: number;
  /** Something changed that could not be marked. */
  readonly lost: boolean;
  /** Someone may store through a mapping, or could since the file is followed. */
  readonly mapped: boolean;
}

/** Programs and maps; they go when it is closed, or with the process. Failures throw. */
export interface KernelTracker {
  programs(): TrackerProgram[];
  /** A slot's marks lie in four stretches of `words` words of 64 bits from `firstWord` on. */
  follow(
    slot: number,
    inode: bigint,
    device: number,
    generation: number,
    firstWord: number,
    words: number,
  ): void;
  unfollow(inode: bigint, device: number, generation: number): void;
  /** Programs that begin from now on mark on the other side. */
  turn(slot: number): void;
  /**
   * Resolves when no program runs that was running. With `fd`, writers inside the file's lock are
   * awaited then, and the file is flushed: the next store through a mapping is seen.
   */
  await(fd?: number): Promise<void>;
  /** Empties the side that is not marked on. */
  take(slot: number): TrackerMarks;
  peek(slot: number): TrackerMarks;
  /** How often each program marked something, by its place in `programs`. */
  hits(): number[];
  /** Times that a program was left out by the kernel; any file may have changed unseen then. */
  missed(): number;
  /** For tests: a program that sees nothing any more. */
  detach(program: number): void;
  close(): void;
}

/** Changes that `exercise` can make; `read` changes nothing. */
export type ExerciseKind =
  | 'write'
  | 'store'
  | 'direct'
  | 'read'
  | 'punch'
  | 'zero'
  | 'collapse'
  | 'insert'
  | 'truncate'
  | 'clone';

export interface TrackerAddon {
  readonly Tracker: new (object: Buffer, files: number, words: number) => KernelTracker;
  inodeOf(fd: number): TrackedInode;
  /** A descriptor, to be closed, that tells which of the watched inodes went. */
  openWatch(): number;
  watchInode(watch: number, fd: number): number;
  unwatchInode(watch: number, inode: number): void;
  /** Numbers of `watchInode`; -1 among them: any may have gone. */
  goneInodes(watch: number): number[];
  /** Changes 64 KiB (a page, a byte) at `offset` of a file of the caller's own; an errno or 0. */
  exercise(fd: number, kind: Buffer, offset: number): number;
}

export interface TrackerSizes {
  /** Files that can be followed at once. */
  readonly files: number;
  /** Words of 64 bits for marks: four for each 4 MiB of files. */
  readonly words: number;
}

export interface OpenTracker {
  readonly addon: TrackerAddon;
  readonly kernel: KernelTracker;
}

/** Loads the programs into the kernel, or says in one line why not. */
export function openTracker(sizes: TrackerSizes): OpenTracker | { readonly whyNot: string } {
  if (process.env['AFTERIMAGE_NO_NATIVE'] === '1') return { whyNot: 'AFTERIMAGE_NO_NATIVE is set' };
  const path = find('build/Release/afterimage_tracker.node');
  const object = find('ranges.bpf.o');
  if (path === undefined || object === undefined) return { whyNot: 'the tracker is not built' };
  try {
    const addon: unknown = createRequire(import.meta.url)(path);
    if (!isCurrent(addon)) return { whyNot: 'the tracker was built from other sources' };
    const kernel = new addon.Tracker(readFileSync(object), sizes.files, sizes.words);
    return { addon, kernel };
  } catch (error) {
    return { whyNot: messageOf(error) };
  }
}

/** This file runs from shared/posix and from dist/shared/posix. */
function find(name: string): string | undefined {
  return ['../../', '../../../']
    .map((root) => fileURLToPath(new URL(`${root}native/tracker/${name}`, import.meta.url)))
    .find((path) => existsSync(path));
}

function isCurrent(value: unknown): value is TrackerAddon {
  return (
    typeof value === 'object' && value !== null && 'version' in value && value.version === VERSION
  );
}
