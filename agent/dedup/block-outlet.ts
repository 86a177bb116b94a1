/**
 * The last step of a block: `copy` when the replica has its content, else the bytes. Where it pays,
 * the replica is asked in batches (`has`), one batch ahead of the answers, so that planning never
 * waits for a round trip.
 */
import type { SyncRecord } from '../../shared/protocol/records.js';
import type { SetSession } from '../ship/session.js';
import type { DedupIndex } from './dedup-index.js';

/** A question is asked for this much content or this many blocks. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_BLOCKS = 2_000;
/** Below this much unknown content a question does not pay, unless answers are known to help. */
const WORTH_BYTES = 256 * 1024;
/** After questions that were all answered no, so many batches at most go without one. */
const SKIP_BATCHES_MAX = 32;

/** Takes records in order. Byte fields are taken before `put` returns. */
export interface RecordSink {
  put(record: SyncRecord): Promise<void> | undefined;
}

export interface OfferedBlock {
  readonly node: number;
  readonly block: number;
  readonly digest: Buffer;
  readonly bytes: Uint8Array;
  /** Where the state has the digest; undefined when it cannot be said in 40 bits. */
  readonly locator: number | undefined;
}

interface Batch {
  readonly blocks: OfferedBlock[];
  readonly answer: Promise<Uint8Array | undefined>;
}

/** What the outlet asks of the index. */
export type KnownDigests = Pick<DedupIndex, 'has' | 'add' | 'isDistrusted'>;

export class BlockOutlet {
  readonly #outlet: RecordSink;
  readonly #index: KnownDigests;
  readonly #session: Pick<SetSession, 'has' | 'live'>;
  #waiting: OfferedBlock[] = [];
  #waitingBytes = 0;
  #asked: Batch | undefined;
  #skip = 0;
  #skipNext = 1;
  /** Answers are likely to help: a lost sync is resumed, or states diverged. */
  eager = false;
  /** While the application is held nothing is asked. */
  silent = false;
  /** Blocks that were not sent because the replica had them. */
  copied = 0;

  constructor(outlet: RecordSink, index: KnownDigests, session: Pick<SetSession, 'has' | 'live'>) {
    this.#outlet = outlet;
    this.#index = index;
    this.#session = session;
  }

  /** A block whose content the replica has. */
  copy(block: Omit<OfferedBlock, 'bytes'>, length: number): Promise<void> | undefined {
    this.copied += 1;
    this.#index.add(block.digest, block.locator);
    const { node, block: number, digest } = block;
    return this.#outlet.put({ type: 'copy', node, block: number, digest, length });
  }

  /** A block that the index does not know. Its bytes are taken before this returns. */
  offer(block: OfferedBlock): Promise<void> | undefined {
    if (!this.#asks()) return this.#settle(block);
    const bytes = Buffer.from(block.bytes);
    this.#waiting.push({ ...block, digest: Buffer.from(block.digest), bytes });
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes < BATCH_BYTES && this.#waiting.length < BATCH_BLOCKS) return undefined;
    return this.#ask();
  }

  /** Everything offered so far is written when this resolves. */
  async drain(): Promise<void> {
    await this.#emitAsked();
    const rest = this.#waiting;
    const worth = this.eager || this.#waitingBytes >= WORTH_BYTES;
    this.#takeWaiting();
    if (rest.length > 0 && worth && !this.silent && this.#session.live) {
      this.#asked = this.#question(rest);
      await this.#emitAsked();
      return;
    }
    for (const block of rest) await this.#settle(block);
  }

  #asks(): boolean {
    if (this.silent || !this.#session.live) return false;
    if (this.eager || this.#waiting.length > 0) return true;
    if (this.#skip > 0) {
      this.#skip -= 1;
      return false;
    }
    return true;
  }

  async #ask(): Promise<void> {
    const next = this.#question(this.#waiting);
    this.#takeWaiting();
    await this.#emitAsked();
    this.#asked = next;
  }

  #takeWaiting(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #question(blocks: OfferedBlock[]): Batch {
    const digests = Buffer.concat(blocks.map((block) => block.digest));
    // A question that fails is no failure of the sync: the blocks are sent.
    const answer = this.#session.has(digests).catch(() => undefined);
    return { blocks, answer };
  }

  async #emitAsked(): Promise<void> {
    const batch = this.#asked;
    if (batch === undefined) return;
    this.#asked = undefined;
    const answer = await batch.answer;
    let hits = 0;
    for (const [at, block] of batch.blocks.entries()) {
      const has = answer?.[at] === 1 && !this.#index.isDistrusted(block.digest);
      if (has) hits += 1;
      await (has ? this.copy(block, block.bytes.length) : this.#settle(block));
    }
    this.#learn(hits, batch.blocks.length);
  }

  /** Questions become rarer, in blocks, while every answer is no. */
  #learn(hits: number, asked: number): void {
    if (hits > 0) {
      this.#skipNext = 1;
      this.#skip = 0;
      return;
    }
    this.#skip = asked * this.#skipNext;
    this.#skipNext = Math.min(this.#skipNext * 2, SKIP_BATCHES_MAX);
  }

  /** Sends the block, unless an equal one was sent since it was offered. */
  #settle(block: OfferedBlock): Promise<void> | undefined {
    if (this.#index.has(block.digest)) return this.copy(block, block.bytes.length);
    this.#index.add(block.digest, block.locator);
    const { node, block: number, digest, bytes } = block;
    return this.#outlet.put({ type: 'block', node, block: number, digest, bytes });
  }
}
