/**
 * Reads the new small files of a folder in batches, ahead of the plan: for each file no more is done
 * one by one than saying what was found. What is not as the scan saw it is left to the usual way.
 */
import { errnoOf } from '../../shared/errors.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import type { ScanEntry } from '../../shared/posix/posix.js';
import { packSmall, smallCodes } from '../../shared/posix/small-files.js';
import type { NamedNode } from '../state/node-table.js';
import { encodeIdentity, kindOf } from '../state/status.js';
import { Slot, SLOT_FILES_MAX } from '../workers/slot.js';
import type { OpenFolder } from './open-folder.js';
import type { PlanParts } from './plan-parts.js';

/** Larger ones are no matter of costs per file. */
const SMALL_BYTES_MAX = BLOCK_BYTES;
/** Fewer are not worth a batch. */
const FILES_MIN = 4;
/** Content of a batch: while it is used up the next one is read. */
const BATCH_BYTES = 512 * 1024;
const BATCH_FILES = 64;
/** In the caller's thread, which must not be held up by a slow disk. */
const INLINE_FILES = 16;

/** A file's content, valid until the next one is taken. */
export interface SmallRead {
  readonly bytes: Buffer;
  /** Its digest row; undefined when it is empty or all zero. */
  readonly row: Buffer | undefined;
  readonly hasAttributes: boolean;
  /** No later than it was read, ms since the epoch. */
  readonly lookedMs: number;
}

/** A folder as scanned, and its rows. */
export interface ScannedFiles {
  readonly folder: OpenFolder;
  readonly entries: readonly ScanEntry[];
  readonly known: readonly NamedNode[];
}

interface Batch {
  readonly slot: Slot;
  readonly entries: readonly ScanEntry[];
  readonly places: readonly number[];
  readonly lookedMs: number;
  readonly done: Promise<unknown>;
  isDone: boolean;
  at: number;
}

export class SmallReads {
  readonly #parts: PlanParts;
  readonly #folder: OpenFolder;
  readonly #entries: readonly ScanEntry[];
  readonly #batches: Batch[] = [];
  #next = 0;

  private constructor(parts: PlanParts, folder: OpenFolder, entries: readonly ScanEntry[]) {
    this.#parts = parts;
    this.#folder = folder;
    this.#entries = entries;
  }

  /**
   * Begins to read what of `entries` is new and small. Undefined where that is not worth it or may
   * not be: while the application is held every file is looked at by itself (R16).
   */
  static begin(parts: PlanParts, scanned: ScannedFiles): SmallReads | undefined {
    const { posix, blocks, holds, state } = parts;
    if (posix.readSmall === undefined || blocks.silent || holds === 'clone') return undefined;
    const { folder, entries, known } = scanned;
    const names = new Set(known.map(({ name }) => name.toString('latin1')));
    const isFirst = state.committed.point === 0;
    const wanted = entries.filter(
      (entry) =>
        isSmall(parts, folder, entry) &&
        !names.has(entry.name.toString('latin1')) &&
        (isFirst || !isKnown(parts, entry)),
    );
    if (wanted.length < FILES_MIN) return undefined;
    const reads = new SmallReads(parts, folder, wanted);
    reads.#fill();
    return reads;
  }

  /** What was read of an entry; entries are asked for in their order. Throws `worker-lost`. */
  take(entry: ScanEntry): SmallRead | undefined | Promise<SmallRead | undefined> {
    let batch = this.#batches[0];
    if (batch !== undefined && batch.at === batch.entries.length) {
      this.#batches.shift();
      this.#parts.work.free(batch.slot);
      this.#fill();
      batch = this.#batches[0];
    }
    if (batch?.entries[batch.at] !== entry) return undefined;
    return batch.isDone ? this.#read(batch) : this.#wait(batch);
  }

  /**
   * Gives back what is not used. A batch may still be read then, from a folder that is closed: a file
   * that it finds there is not the one that was scanned, and nobody takes it.
   */
  close(): void {
    const { work } = this.#parts;
    this.#next = this.#entries.length;
    for (const { slot, done } of this.#batches.splice(0)) {
      const free = (): void => {
        work.free(slot);
      };
      done.then(free, free);
    }
  }

  async #wait(batch: Batch): Promise<SmallRead | undefined> {
    await batch.done;
    batch.isDone = true;
    return this.#read(batch);
  }

  #read(batch: Batch): SmallRead | undefined {
    const index = batch.at;
    batch.at += 1;
    const { slot, entries, places, lookedMs } = batch;
    const code = slot.codes[index];
    if (code === smallCodes.otherWay) return undefined;
    const start = places[index] ?? 0;
    const size = entries[index]?.status.size ?? 0;
    return {
      bytes: slot.content.subarray(start, start + size),
      row: slot.row(index),
      hasAttributes: code === smallCodes.readWithAttributes,
      lookedMs,
    };
  }

  #fill(): void {
    const { work } = this.#parts;
    while (this.#next < this.#entries.length) {
      const slot = work.take();
      if (slot === undefined) return;
      try {
        this.#batches.push(this.#begin(slot));
      } catch (error) {
        work.free(slot);
        // The folder went away: the next look will see.
        if (errnoOf(error) === undefined) throw error;
        this.#next = this.#entries.length;
      }
    }
  }

  #begin(slot: Slot): Batch {
    const { work, clock } = this.#parts;
    const folder = this.#folder.descriptor;
    const filesMax = Math.min(SLOT_FILES_MAX, work.workers === 0 ? INLINE_FILES : BATCH_FILES);
    const entries: ScanEntry[] = [];
    const places: number[] = [];
    let bytes = 0;
    let packed = 0;
    for (; this.#next < this.#entries.length && entries.length < filesMax; this.#next += 1) {
      const entry = this.#entries[this.#next];
      if (entry === undefined || !Slot.hasRoom(packed)) break;
      if (bytes + entry.status.size > BATCH_BYTES) break;
      entries.push(entry);
      places.push(bytes);
      packed = packSmall(slot.files, packed, { entry, place: bytes });
      bytes += entry.status.size;
    }
    const lookedMs = clock.now();
    const job = { type: 'small', folder, packedBytes: packed, count: entries.length } as const;
    const done = work.perform(job, slot);
    // It is thrown where the batch is used.
    done.catch(() => undefined);
    return { slot, entries, places, lookedMs, done, isDone: false, at: 0 };
  }
}

/** Files of several names are left to the usual way: they may have been met under another one. */
function isSmall({ filter }: PlanParts, folder: OpenFolder, { status, name }: ScanEntry): boolean {
  if (status.size > SMALL_BYTES_MAX || status.nlink > 1) return false;
  if (kindOf(status.mode) !== 'file') return false;
  return !filter.active || filter.takes(folder.pathOf(name), { folder: false });
}

/** Moved here from elsewhere, which needs no read. */
function isKnown({ state }: PlanParts, { status }: ScanEntry): boolean {
  const device = state.knownDevice(status.dev);
  if (device === undefined) return false;
  return state.nodes.byIdentity(encodeIdentity(status, device)) !== undefined;
}
