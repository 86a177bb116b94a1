/**
 * Changed ranges on ext4 and XFS, followed by programs in the kernel as files change: one tracker for
 * all sets of the agent. How a look is made so that no change falls between two of them is reasoned in
 * docs/design/ranges.md, "Tracker". Whatever is not certain makes the file unknown: it is read whole,
 * and followed anew from there.
 */
import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import { messageOf } from '../../shared/errors.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import type { Log } from '../../shared/log.js';
import type { Posix } from '../../shared/posix/posix.js';
import { openTracker } from '../../shared/posix/tracker.js';
import type { OpenTracker, TrackedInode, TrackerMarks } from '../../shared/posix/tracker.js';
import { CHECK_WORDS, checkFileSystem } from './bpf-check.js';
import { Looks } from './bpf-looks.js';
import { BlockMarks } from './bpf-marks.js';
import { WordRoom } from './bpf-room.js';
import type { WordSpan } from './bpf-room.js';

export interface TrackerLimits {
  /** Smaller files are hashed whole. */
  readonly fileBytesMin: number;
  readonly filesMax: number;
  /** Bytes of files whose blocks have marks, all together; the marks take 1/131,072 of it. */
  readonly followedBytesMax: number;
}

export const usualTrackerLimits: TrackerLimits = {
  fileBytesMin: 16 * 1024 * 1024,
  filesMax: 1024,
  followedBytesMax: 2 ** 41,
};

export interface TrackerOptions {
  readonly posix: Posix;
  readonly log: Log;
  readonly limits?: TrackerLimits;
}

/** A file that the kernel follows. */
export interface FollowedFile {
  readonly inode: TrackedInode;
  /** Who may look; another set has to read the file whole. */
  readonly owner: object;
  readonly watch: number;
  readonly looks: Looks;
  place: Place;
  /** Programs left out by the kernel when the last look was made. */
  missed: number;
  /** While a look is made. */
  busy: boolean;
}

interface Place {
  readonly slot: number;
  readonly span: WordSpan;
}

const WORD_BYTES = 64 * BLOCK_BYTES;
/** Of layout.h: both sides, for what was written and for folios that became dirty. */
const STRETCHES = 4;

/** Names one look, for ever. */
export function newWord(): string {
  return randomBytes(8).toString('hex');
}

export class BpfTracker {
  readonly #options: TrackerOptions;
  readonly #limits: TrackerLimits;
  readonly #tracker: OpenTracker;
  readonly #watch: number;
  readonly #room: WordRoom;
  readonly #slots: number[];
  /** Given up, but a program that runs may still mark there. */
  readonly #retired: Place[] = [];
  readonly #followed = new Map<string, FollowedFile>();
  /** By device: why it is not served, or undefined. Holds while a file there is followed. */
  readonly #checks = new Map<number, Promise<string | undefined>>();
  readonly #said = new Set<string>();
  #closed = false;

  /** Undefined where the kernel or the build does not allow it, which one line in the log tells. */
  static open(options: TrackerOptions): BpfTracker | undefined {
    const limits = options.limits ?? usualTrackerLimits;
    const words = wordsOf(limits);
    const opened = openTracker({ files: limits.filesMax, words });
    if ('kernel' in opened) return new BpfTracker(opened, options, limits);
    options.log.info(`changed files are read whole on ext4: ${opened.whyNot}`);
    return undefined;
  }

  private constructor(tracker: OpenTracker, options: TrackerOptions, limits: TrackerLimits) {
    this.#tracker = tracker;
    this.#options = options;
    this.#limits = limits;
    this.#watch = tracker.addon.openWatch();
    this.#room = new WordRoom(wordsOf(limits));
    this.#slots = Array.from({ length: limits.filesMax }, (_, slot) => limits.filesMax - 1 - slot);
  }

  /** The tracker in the kernel, for tests and figures. */
  get kernel(): OpenTracker['kernel'] {
    return this.#tracker.kernel;
  }

  inodeOf(fd: number): TrackedInode {
    return this.#tracker.addon.inodeOf(fd);
  }

  /** The file of an inode that is still there; undefined when it is not followed. */
  find({ device, inode, generation }: TrackedInode): FollowedFile | undefined {
    this.#dropGone();
    return this.#followed.get(`${device}:${inode}:${generation}`);
  }

  /** True while the kernel follows it: its inode was neither deleted nor its file system unmounted. */
  isFollowed(file: FollowedFile): boolean {
    return this.find(file.inode) === file;
  }

  /** Begins to follow, from a flush on; undefined when it cannot be followed. */
  async follow(
    owner: object,
    file: { readonly fd: number; readonly inode: TrackedInode; readonly size: number },
  ): Promise<FollowedFile | undefined> {
    const { inode, fd, size } = file;
    if (size < this.#limits.fileBytesMin || !(await this.#serves(inode, fd))) return undefined;
    if (this.#retired.length > 0) await this.#await();
    if (this.find(inode) !== undefined) return undefined;
    const missed = this.kernel.missed();
    const place = this.#takePlace(Math.ceil((size * 1.25) / WORD_BYTES) + 4);
    if (place === undefined) {
      this.#forgetCheck(inode.device);
      this.#sayOnce('too many large files to follow them all; the others are read whole');
      return undefined;
    }
    const watch = this.#watchAt(inode, { fd, place });
    const looks = new Looks();
    const followed: FollowedFile = { inode, owner, watch, looks, place, missed, busy: true };
    this.#followed.set(`${inode.device}:${inode.inode}:${inode.generation}`, followed);
    try {
      this.#begin(followed);
      await this.#await(fd);
    } catch (error) {
      this.drop(followed);
      throw error;
    }
    return followed;
  }

  /** Takes what was marked, flushes the file, and adds a look; answers its word. */
  async look(
    file: FollowedFile,
    at: { readonly fd: number; readonly size: number },
  ): Promise<string> {
    const word = newWord();
    if (file.looks.length > 0 || file.missed !== this.kernel.missed()) {
      this.#keep(file, await this.#take(file, at));
    }
    file.looks.add(word);
    return word;
  }

  /** What is marked up to now, which stays; undefined when it is not certain. */
  async peek(file: FollowedFile): Promise<BlockMarks | undefined> {
    await this.#await();
    const marks = this.kernel.peek(file.place.slot);
    const lost = marks.lost || marks.mapped || this.kernel.missed() !== file.missed;
    return !lost && this.isFollowed(file) ? toBlockMarks(marks) : undefined;
  }

  /** No longer follows a file. */
  drop(file: FollowedFile): void {
    const { device, inode, generation } = file.inode;
    const key = `${device}:${inode}:${generation}`;
    if (this.#followed.get(key) !== file || this.#closed) return;
    this.#followed.delete(key);
    file.looks.clear();
    this.kernel.unfollow(inode, device, generation);
    this.#tracker.addon.unwatchInode(this.#watch, file.watch);
    this.#retired.push(file.place);
    this.#forgetCheck(device);
  }

  /** Says something that the operator needs to hear once only. */
  couldNot(error: unknown): void {
    this.#sayOnce(`a file's changes could not be followed; it is read whole: ${messageOf(error)}`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#followed.clear();
    closeSync(this.#watch);
    this.kernel.close();
  }

  async #take(
    file: FollowedFile,
    { fd, size }: { readonly fd: number; readonly size: number },
  ): Promise<TrackerMarks> {
    const { slot, span } = file.place;
    const larger =
      size > (span.count / STRETCHES) * WORD_BYTES
        ? this.#takePlace(Math.ceil((size * 1.25) / WORD_BYTES) + 4)
        : undefined;
    if (larger === undefined) {
      this.kernel.turn(slot);
      await this.#await(fd);
      return this.kernel.take(slot);
    }
    file.place = larger;
    this.#begin(file);
    await this.#await(fd);
    // Nobody marks in the old place any more.
    this.kernel.turn(slot);
    const marks = this.kernel.take(slot);
    this.#retired.push({ slot, span });
    return marks;
  }

  #keep(file: FollowedFile, marks: TrackerMarks): void {
    const missed = this.kernel.missed();
    if (marks.lost || missed !== file.missed) {
      file.looks.clear();
      this.#sayOnce('the kernel lost track of changes; the files concerned are read whole');
    } else if (marks.mapped) {
      // What is stored through a mapping is marked, but not so surely that a point may rest on it.
      file.looks.clear();
      this.#sayOnce('large files that are mapped for writing are read whole');
    }
    file.missed = missed;
    file.looks.taken(toBlockMarks(marks));
  }

  #begin({ inode, place }: FollowedFile): void {
    this.kernel.follow(
      place.slot,
      inode.inode,
      inode.device,
      inode.generation,
      place.span.first,
      place.span.count / STRETCHES,
    );
  }

  /** Tells when the inode goes; without that its place is not taken. */
  #watchAt({ device }: TrackedInode, at: { readonly fd: number; readonly place: Place }): number {
    try {
      return this.#tracker.addon.watchInode(this.#watch, at.fd);
    } catch (error) {
      this.#retired.push(at.place);
      this.#forgetCheck(device);
      throw error;
    }
  }

  /** `words` for each stretch. */
  #takePlace(words: number): Place | undefined {
    const slot = this.#slots.pop();
    const span = slot === undefined ? undefined : this.#room.take(words * STRETCHES);
    if (slot === undefined) return undefined;
    if (span === undefined) this.#slots.push(slot);
    return span && { slot, span };
  }

  /** What was given up before it is free afterwards: no program that saw it runs any more. */
  async #await(fd?: number): Promise<void> {
    const retired = this.#retired.splice(0);
    try {
      await this.kernel.await(fd);
    } catch (error) {
      this.#retired.push(...retired);
      throw error;
    }
    for (const { slot, span } of retired) {
      this.#slots.push(slot);
      this.#room.give(span);
    }
  }

  async #serves(inode: TrackedInode, fd: number): Promise<boolean> {
    if (inode.fileSystem === '' || inode.refusal !== '') return false;
    let check = this.#checks.get(inode.device);
    if (check === undefined) {
      check = this.#check(inode.fileSystem, fd);
      this.#checks.set(inode.device, check);
    }
    const whyNot = await check;
    if (whyNot === undefined) return true;
    this.#sayOnce(`changed files are read whole on ${inode.fileSystem}: ${whyNot}`);
    return false;
  }

  async #check(fileSystem: 'ext4' | 'xfs', fd: number): Promise<string | undefined> {
    const missing = this.kernel
      .programs()
      .find((program) => isNeeded(program, fileSystem) && program.whyNot !== '');
    if (missing !== undefined) return missing.whyNot;
    const place = this.#takePlace(CHECK_WORDS);
    if (place === undefined) return 'there is no room to try it';
    try {
      return await checkFileSystem(this.#tracker, this.#options.posix, { fd, ...place });
    } catch (error) {
      return messageOf(error);
    } finally {
      this.#retired.push(place);
    }
  }

  /** Without a file that is watched there, another file system may come under this number. */
  #forgetCheck(device: number): void {
    const others = [...this.#followed.values()];
    if (!others.some(({ inode }) => inode.device === device)) this.#checks.delete(device);
  }

  #dropGone(): void {
    const gone = this.#closed ? [] : this.#tracker.addon.goneInodes(this.#watch);
    if (gone.length === 0) return;
    const files = [...this.#followed.values()];
    const lost = gone.includes(-1) ? files : files.filter(({ watch }) => gone.includes(watch));
    for (const file of lost) this.drop(file);
  }

  #sayOnce(message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.#options.log.info(message);
  }
}

function wordsOf({ followedBytesMax }: TrackerLimits): number {
  return Math.ceil(followedBytesMax / WORD_BYTES) * STRETCHES;
}

function isNeeded(
  program: { readonly fileSystem: string; readonly optional: boolean },
  fileSystem: string,
): boolean {
  return !program.optional && (program.fileSystem === '' || program.fileSystem === fileSystem);
}

function toBlockMarks({ bits, tailFrom }: TrackerMarks): BlockMarks {
  return new BlockMarks(bits, tailFrom < 0 ? Infinity : tailFrom);
}
