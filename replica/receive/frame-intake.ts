/**
 * Frames of one set on their way into the set's writer: only the next one is taken, one is staged
 * at a time, and what is staged and durable is known in the numbering of the wire.
 */
import { asAfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { malformed } from '../../shared/protocol/bytes.js';
import { decompressBody } from '../../shared/protocol/compress.js';
import type { Header } from '../../shared/protocol/frame.js';
import type { Hello } from '../../shared/protocol/hello.js';
import { countStage, Stage } from '../../shared/stages.js';
import { BufferPool } from '../../shared/transport/buffer-pool.js';
import type { HelloDecision } from './hello-outcome.js';
import type { SetPort } from './set-port.js';

/** Frames that arrived and wait to be staged; an agent that keeps to its window stays far below. */
const QUEUE_BYTES_MAX = 32 * 1024 * 1024;
/** What a frame costs here however little it holds: without, empty ones would be queued without end. */
const ITEM_BYTES = 256;
const RETRY_MS = 1000;
const RAW_IDLE_BYTES_MAX = 2 * 1024 * 1024;
const BOOT_BYTES = 16;

interface Numbering {
  readonly boot: string;
  /** Wire sequence = offset + the stage's sequence. */
  readonly offset: number;
}

interface Item {
  readonly stream: string | undefined;
  readonly header: Header;
  readonly body: Uint8Array;
  readonly release: (() => void) | undefined;
  readonly numbering: Numbering;
}

/** A body as it was opened. */
export interface ArrivedBody {
  readonly header: Header;
  readonly body: Uint8Array;
  /** Called once nobody has a view of `body` any more; of a frame that is not taken, never. */
  readonly release?: (() => void) | undefined;
}

/** Bodies that travelled compressed, one at a time for each set. */
const rawPool = new BufferPool(RAW_IDLE_BYTES_MAX);

export type Intake = 'taken' | 'duplicate' | 'gap' | 'overrun';

export class FrameIntake {
  readonly #port: SetPort;
  readonly #log: Log;
  readonly #onProgress: (bytes: number) => void;
  readonly #onBroken: (error: unknown) => void;
  #queue: Item[] = [];
  #queueBytes = 0;
  #draining = false;
  #closed = false;
  #stream: string | undefined;
  /** Of the frames that arrive now; undefined until a restart names one. */
  #arriving: Numbering | undefined;
  /** Of the frames that were staged last. */
  #staged: Numbering | undefined;
  #next = 1;
  #received = 0;
  /** What the set said; it may say so before the frame counts as received. */
  #durableSaid = 0;

  constructor(options: {
    readonly port: SetPort;
    readonly log: Log;
    /** A frame of this many bytes was staged. */
    readonly onProgress: (bytes: number) => void;
    /** A body that an agent sealed does not decompress. */
    readonly onBroken: (error: unknown) => void;
  }) {
    this.#port = options.port;
    this.#log = options.log;
    this.#onProgress = options.onProgress;
    this.#onBroken = options.onBroken;
  }

  get stream(): string | undefined {
    return this.#stream;
  }
  get next(): number {
    return this.#next;
  }
  get received(): number {
    return this.#received;
  }
  get durable(): number {
    return Math.min(this.#durableSaid, this.#received);
  }
  get idle(): boolean {
    return this.#queue.length === 0 && !this.#draining;
  }

  /** A session with this HELLO is confirmed: which frame is next is now as it was told. */
  adopt(hello: Hello, decision: HelloDecision): void {
    const { frames } = hello;
    if (this.#stream === frames.stream) return;
    this.#stream = frames.stream;
    if (decision.frames.type === 'from') {
      this.#arriving = { boot: frames.boot, offset: frames.offset };
      this.#staged = this.#arriving;
      this.#next = decision.frames.sequence;
    } else {
      this.#arriving = undefined;
      this.#next = frames.next;
    }
    this.#received = this.#next - 1;
    const { staged } = this.#port.position();
    const offset = staged?.boot === this.#arriving?.boot ? this.#arriving?.offset : undefined;
    this.#durableSaid = offset === undefined ? 0 : offset + (staged?.durableSequence ?? 0);
  }

  /** Throws `frame-malformed` for a restart without a boot. */
  take({ header, body, release }: ArrivedBody): Intake {
    if (header.sequence < this.#next) return 'duplicate';
    if (header.restart) {
      if (body.length !== BOOT_BYTES) throw malformed(`a boot of ${body.length} bytes`);
      this.#arriving = { boot: Buffer.from(body).toString('hex'), offset: header.sequence };
    } else if (header.sequence > this.#next) {
      return 'gap';
    }
    if (this.#arriving === undefined) return 'gap';
    const bytes = ITEM_BYTES + body.length;
    if (this.#queueBytes + bytes > QUEUE_BYTES_MAX) return 'overrun';
    this.#next = header.sequence + 1;
    this.#queueBytes += bytes;
    const numbering = this.#arriving;
    this.#queue.push({ stream: this.#stream, header, body, release, numbering });
    if (!this.#draining) void this.#drain();
    return 'taken';
  }

  /** The set says what a power cut cannot take. Returns whether that is news of this stream. */
  onDurable(boot: string, sequence: number): boolean {
    if (this.#staged?.boot !== boot) return false;
    const before = this.durable;
    this.#durableSaid = Math.max(this.#durableSaid, this.#staged.offset + sequence);
    return this.durable > before;
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
      await this.#stageWhole(item);
      this.#queueBytes -= ITEM_BYTES + item.body.length;
      if (this.#isClosed()) return;
      if (item.stream !== this.#stream) continue;
      this.#received = item.header.sequence;
      // nothing before a restart is waited for any more
      if (item.header.restart) this.#durableSaid = this.#received;
      this.#onProgress(item.body.length);
    }
    this.#draining = false;
  }

  /** The set lets go of a frame's bytes when it answers, whatever it answers: then others lie there. */
  async #stageWhole(item: Item): Promise<void> {
    if (item.header.restart) {
      await this.#restart(item.numbering);
    } else if (item.header.compressed) {
      const { rawLength } = item.header;
      const memory = rawPool.take(rawLength);
      const raw = this.#decompressed(item, memory.subarray(0, rawLength));
      if (raw !== undefined) await this.#stage(item, raw);
      rawPool.give(memory);
    } else {
      await this.#stage(item, item.body);
    }
    item.release?.();
  }

  #decompressed({ body }: Item, into: Buffer): Buffer | undefined {
    try {
      return decompressBody(body, into.length, into);
    } catch (error) {
      this.#onBroken(error);
      return undefined;
    }
  }

  async #stage(item: Item, raw: Uint8Array): Promise<void> {
    const sequence = item.header.sequence - item.numbering.offset;
    const { boot } = item.numbering;
    while (!this.#isClosed()) {
      const start = performance.now();
      try {
        await this.#port.stage({ boot, sequence, body: raw });
        countStage(Stage.receive, start, raw.length);
        return;
      } catch (error) {
        this.#log.error('a frame could not be staged', asAfterimageError(error), { sequence });
        const { staged } = this.#port.position();
        if (staged?.boot === boot && staged.receivedSequence >= sequence) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
  }

  async #restart(numbering: Numbering): Promise<void> {
    try {
      const { staged } = this.#port.position();
      if (staged !== null && !staged.sealed && staged.boot !== numbering.boot) {
        await this.#port.abandon('the agent dropped this sync');
      }
    } catch (error) {
      this.#log.error('a staged sync could not be dropped', asAfterimageError(error));
    }
    this.#staged = numbering;
  }

  #isClosed(): boolean {
    return this.#closed;
  }
}
