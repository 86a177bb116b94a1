/**
 * The frames of one set that the replica has not made durable, in order: in memory up to a limit,
 * in the spool beyond it. They are numbered here; numbering starts again behind a restart frame.
 */
import { randomBytes } from 'node:crypto';
import { invariant } from '../../shared/errors.js';
import { HEADER_BYTES, TAG_BYTES } from '../../shared/protocol/frame.js';
import type { Spool, SpoolPlace } from './spool.js';

/** A frame's body as it travels, before it has a number. */
export interface CutFrame {
  readonly recordCount: number;
  readonly body: Buffer;
  readonly compressed: boolean;
  readonly rawLength: number;
}

export interface KeptFrame {
  readonly recordCount: number;
  readonly compressed: boolean;
  readonly rawLength: number;
  /** Forgets what came before; the body is the new boot. */
  readonly restart: boolean;
  /** Bytes on the wire. */
  readonly wireBytes: number;
  readonly stored: Buffer | SpoolPlace;
  /** Counter of the last time it was sealed in this session; 0 for not yet. */
  sentCounter: number;
}

/** The numbering that the replica's stage sees: wire sequence = `offset` + its sequence. */
export interface Numbering {
  readonly boot: string;
  readonly offset: number;
}

const BOOT_BYTES = 16;

export class KeptFrames {
  readonly #spool: Spool;
  readonly #memoryBytesMax: number;
  readonly #onRelease: (body: Buffer) => void;
  #frames: KeptFrame[] = [];
  #first = 1;
  #memoryBytes = 0;
  #numbering: Numbering = { boot: newBoot(), offset: 0 };

  constructor(options: {
    readonly spool: Spool;
    readonly memoryBytesMax: number;
    /** A frame's body in memory is read no more. */
    readonly onRelease?: (body: Buffer) => void;
  }) {
    this.#spool = options.spool;
    this.#memoryBytesMax = options.memoryBytesMax;
    this.#onRelease = options.onRelease ?? (() => undefined);
  }

  /** Sequence of the oldest frame kept; `next` when none is. */
  get first(): number {
    return this.#first;
  }
  /** Sequence that the next frame gets. */
  get next(): number {
    return this.#first + this.#frames.length;
  }
  get numbering(): Numbering {
    return this.#numbering;
  }
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** True when a frame of `bytes` has a place within the limits. */
  hasRoom(bytes: number): boolean {
    return this.#memoryBytes + bytes <= this.#memoryBytesMax || this.#spool.hasRoom(bytes);
  }

  /** True when a frame of `bytes` needs no spool. */
  hasMemory(bytes: number): boolean {
    return this.#memoryBytes + bytes <= this.#memoryBytesMax;
  }

  /** Keeps a frame; it gets the number `next`. Throws `spool-full` when there is no place. */
  add(cut: CutFrame): void {
    const fits = this.#memoryBytes + cut.body.length <= this.#memoryBytesMax;
    const stored = fits ? cut.body : this.#spool.append(cut.body);
    if (fits) this.#memoryBytes += cut.body.length;
    else this.#onRelease(cut.body);
    this.#frames.push({
      recordCount: cut.recordCount,
      compressed: cut.compressed,
      rawLength: cut.rawLength,
      restart: false,
      wireBytes: HEADER_BYTES + cut.body.length + TAG_BYTES,
      stored,
      sentCounter: 0,
    });
  }

  get(sequence: number): KeptFrame {
    const frame = this.#frames[sequence - this.#first];
    invariant(frame !== undefined, `frame ${sequence} is kept`);
    return frame;
  }

  body(frame: KeptFrame): Buffer {
    return Buffer.isBuffer(frame.stored) ? frame.stored : this.#spool.read(frame.stored);
  }

  /** Bytes, on the wire and of content, of the frames from `from` up to, not including, `to`. */
  bytesOf(from: number, to: number): { readonly wire: number; readonly raw: number } {
    let wire = 0;
    let raw = 0;
    for (let sequence = Math.max(from, this.#first); sequence < to; sequence += 1) {
      const frame = this.get(sequence);
      wire += frame.wireBytes;
      raw += frame.rawLength;
    }
    return { wire, raw };
  }

  get firstRestarts(): boolean {
    return this.#frames[0]?.restart ?? false;
  }

  /** Forgets the frames up to and including `sequence`. */
  releaseTo(sequence: number): void {
    const count = Math.min(Math.max(0, sequence - this.#first + 1), this.#frames.length);
    for (const frame of this.#frames.splice(0, count)) this.#release(frame);
    this.#first += count;
  }

  /** Forgets all frames; numbers go on. */
  clear(): void {
    this.releaseTo(this.next - 1);
  }

  /** No frame was sent in the session that starts now. */
  forgetSent(): void {
    for (const frame of this.#frames) frame.sentCounter = 0;
  }

  /**
   * Puts a restart in front of what is kept and numbers everything anew, past all numbers used.
   * Returns how much a sequence grew.
   */
  restart(): number {
    const next = this.next;
    if (this.firstRestarts) this.releaseTo(this.#first);
    const shift = next + 1 - this.#first;
    this.#first = next;
    this.#numbering = { boot: newBoot(), offset: this.#first };
    const body = Buffer.from(this.#numbering.boot, 'hex');
    this.#memoryBytes += body.length;
    this.#frames.unshift({
      recordCount: 0,
      compressed: false,
      rawLength: body.length,
      restart: true,
      wireBytes: HEADER_BYTES + body.length + TAG_BYTES,
      stored: body,
      sentCounter: 0,
    });
    return shift;
  }

  #release(frame: KeptFrame): void {
    if (Buffer.isBuffer(frame.stored)) {
      this.#memoryBytes -= frame.stored.length;
      this.#onRelease(frame.stored);
    } else {
      this.#spool.release(frame.stored);
    }
  }
}

function newBoot(): string {
  return randomBytes(BOOT_BYTES).toString('hex');
}
