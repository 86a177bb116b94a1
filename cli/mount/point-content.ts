/**
 * Contents of files at points: what is asked for, from the store, or fetched; and where somebody reads
 * a file from one end to the other, what comes next, fetched before it is asked for.
 */
import { blockCount, BLOCK_BYTES } from '../../shared/limits.js';
import { BlockFetch, type FetchMeans, type FileAt } from './block-fetch.js';
import { BoundedMap } from './bounded-map.js';

/** Who reads a file in order, and how far it was fetched for them. */
interface Stream {
  /** The block after the last one that was read. */
  next: number;
  /** The block after the last one that was asked for. */
  ahead: number;
  windowBlocks: number;
}

const STREAMS_MAX = 256;
/** Of one file. */
const STREAMS_FILE_MAX = 4;
/** The kernel asks for several pieces at a time, and they may come out of order. */
const SLACK_BLOCKS = 16;
const WINDOW_LEAST = 16;
const WINDOW_MOST = 128;
/** For all that is fetched at one time. */
const WINDOWS_MOST = 384;
/** A file of so many blocks is fetched whole. */
const SMALL_BLOCKS = 16;
/** What is fetched may be forgotten before it was read, when many read at once. */
const TRIES = 4;

const zeros = Buffer.alloc(1024 * 1024);

export class PointContent {
  readonly #means: FetchMeans;
  readonly #streams = new BoundedMap<string, Stream[]>(STREAMS_MAX);
  readonly #fetches = new Map<string, Set<BlockFetch>>();

  constructor(means: FetchMeans) {
    this.#means = means;
  }

  /** Bytes [offset, offset + length), cut at the end of the file; good until the next turn. */
  async read(
    file: FileAt,
    range: { readonly offset: number; readonly length: number },
  ): Promise<Buffer[]> {
    const end = Math.min(file.size, range.offset + range.length);
    if (range.offset >= end) return [];
    const first = Math.floor(range.offset / BLOCK_BYTES);
    const last = Math.floor((end - 1) / BLOCK_BYTES);
    this.#readAhead(file, first, last);
    for (let tries = 0; ; tries += 1) {
      const isThere = await this.#bring(file, first, last);
      if (isThere) return this.#cut(file.key, range.offset, end);
      if (tries === TRIES) throw new Error('what was read is forgotten before it is answered');
    }
  }

  /** Waits for all blocks; whether all are there at the same time. */
  async #bring(file: FileAt, first: number, last: number): Promise<boolean> {
    const { store } = this.#means;
    let isThere = true;
    for (let block = first; block <= last; block += 1) {
      if (store.has(file.key, block)) continue;
      isThere = false;
      const fetch = this.#under(file.key, block) ?? this.#fetch(file, { block, last });
      await fetch.until(Math.min(last, fetch.end - 1));
    }
    return isThere || this.#hasAll(file.key, first, last);
  }

  #hasAll(key: string, first: number, last: number): boolean {
    for (let block = first; block <= last; block += 1) {
      if (!this.#means.store.has(key, block)) return false;
    }
    return true;
  }

  #under(key: string, block: number): BlockFetch | undefined {
    for (const fetch of this.#fetches.get(key) ?? []) if (fetch.has(block)) return fetch;
    return undefined;
  }

  /** Fetches from `block` on what is missing up to `last`. */
  #fetch(file: FileAt, { block, last }: { block: number; last: number }): BlockFetch {
    let end = block + 1;
    while (
      end <= last &&
      !this.#means.store.has(file.key, end) &&
      this.#under(file.key, end) === undefined
    ) {
      end += 1;
    }
    const fetch = new BlockFetch(file, { first: block, count: end - block }, this.#means);
    let fetches = this.#fetches.get(file.key);
    if (fetches === undefined) this.#fetches.set(file.key, (fetches = new Set()));
    fetches.add(fetch);
    const under = fetches;
    void fetch.ended.then(() => {
      under.delete(fetch);
      if (under.size === 0 && this.#fetches.get(file.key) === under) {
        this.#fetches.delete(file.key);
      }
    });
    return fetch;
  }

  #readAhead(file: FileAt, first: number, last: number): void {
    const blocks = blockCount(file.size);
    const stream = this.#streamAt(file, first, last);
    if (stream === undefined) return;
    stream.next = Math.max(stream.next, last + 1);
    if (stream.ahead - stream.next >= stream.windowBlocks / 2) return;
    const from = Math.max(stream.ahead, first);
    const until = Math.min(blocks, Math.max(from, stream.next) + stream.windowBlocks);
    stream.ahead = until;
    const share = Math.max(WINDOW_LEAST, Math.floor(WINDOWS_MOST / (this.#fetches.size + 1)));
    stream.windowBlocks = Math.min(WINDOW_MOST, share, stream.windowBlocks * 2);
    for (let block = from; block < until; block += 1) {
      if (this.#means.store.has(file.key, block)) continue;
      const under = this.#under(file.key, block);
      const fetch = under ?? this.#fetch(file, { block, last: until - 1 });
      block = fetch.end - 1;
    }
  }

  /** The stream that this reading goes on with; undefined where it is none. */
  #streamAt(file: FileAt, first: number, last: number): Stream | undefined {
    const streams = this.#streams.get(file.key) ?? [];
    const found = streams.find(
      ({ next }) => first <= next + SLACK_BLOCKS && last >= next - SLACK_BLOCKS,
    );
    if (found !== undefined) return found;
    const isSmall = blockCount(file.size) <= SMALL_BLOCKS;
    const begun: Stream = { next: last + 1, ahead: last + 1, windowBlocks: WINDOW_LEAST };
    this.#streams.set(file.key, [begun, ...streams].slice(0, STREAMS_FILE_MAX));
    if (!isSmall) return undefined;
    begun.ahead = 0;
    begun.next = 0;
    begun.windowBlocks = SMALL_BLOCKS;
    return begun;
  }

  #cut(key: string, offset: number, end: number): Buffer[] {
    const parts: Buffer[] = [];
    for (let at = offset; at < end;) {
      const block = Math.floor(at / BLOCK_BYTES);
      const piece = this.#means.store.find(key, block);
      if (piece === undefined) throw new Error(`block ${block} of ${key} was forgotten`);
      const start = piece.first * BLOCK_BYTES;
      const pieceEnd = start + (piece.bytes?.length ?? piece.count * BLOCK_BYTES);
      const until = Math.min(end, pieceEnd);
      if (piece.bytes === undefined) {
        for (let left = until - at; left > 0; left -= zeros.length) {
          parts.push(zeros.subarray(0, Math.min(left, zeros.length)));
        }
      } else {
        parts.push(piece.bytes.subarray(at - start, until - start));
      }
      at = until;
    }
    return parts;
  }
}
