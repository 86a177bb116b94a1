/**
 * Collects records into the body of a frame until it is large enough or old enough (256 KiB or
 * 5 ms), and keeps the manifest digest of the running sync.
 */
import { compressBody } from '../../shared/protocol/compress.js';
import { ByteWriter } from '../../shared/protocol/bytes.js';
import { ManifestDigest } from '../../shared/protocol/manifest.js';
import { encodeRecord, type EndRecord, type SyncRecord } from '../../shared/protocol/records.js';
import { BLOCK_BYTES, FRAME_DELAY_MS, FRAME_TARGET_BYTES } from '../../shared/limits.js';
import type { CutFrame } from './kept-frames.js';

/** A full frame and the block that filled it fit without growing. */
const BUFFER_BYTES = FRAME_TARGET_BYTES + BLOCK_BYTES + 16 * 1024;
/** Buffers of frames that were let go, kept for the next ones. */
const SPARE_MAX = 8;

export class FrameBuilder {
  readonly #writer = new ByteWriter(BUFFER_BYTES);
  readonly #spare: Buffer[] = [];
  readonly #manifest = new ManifestDigest();
  readonly #compress: (raw: Uint8Array) => Buffer | undefined;
  readonly #onFrame: (frame: CutFrame) => void;
  #count = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * `onFrame` takes each frame as it is cut, also from a timer; it must not throw. `compress` gives a
   * body as it travels, in a new buffer; undefined when it travels as it is.
   */
  constructor(
    onFrame: (frame: CutFrame) => void,
    compress: (raw: Uint8Array) => Buffer | undefined = (raw) => compressBody(raw),
  ) {
    this.#onFrame = onFrame;
    this.#compress = compress;
  }

  /** Bytes of records that are in no frame yet. */
  get bytes(): number {
    return this.#writer.length;
  }

  add(record: SyncRecord): void {
    const start = this.#writer.length;
    encodeRecord(this.#writer, record);
    this.#manifest.addEncodedRecord(record, this.#writer, start);
    this.#count += 1;
    if (this.#writer.length >= FRAME_TARGET_BYTES) {
      this.cut();
    } else {
      this.#timer ??= setTimeout(() => {
        this.cut();
      }, FRAME_DELAY_MS);
    }
  }

  /** Makes a frame of what there is. */
  cut(): void {
    const recordCount = this.#count;
    if (recordCount === 0) return;
    const raw = this.#writer.view();
    const rawLength = raw.length;
    const small = this.#compress(raw);
    const body = small ?? this.#takeRaw();
    this.discard();
    this.#onFrame({ recordCount, body, compressed: small !== undefined, rawLength });
  }

  /** The buffer of a frame that nobody reads any more. */
  recycle(body: Buffer): void {
    const whole = Buffer.from(body.buffer);
    if (whole.length === BUFFER_BYTES && this.#spare.length < SPARE_MAX) this.#spare.push(whole);
  }

  /** A large body keeps its buffer; for a small one, that would hold much for little. */
  #takeRaw(): Buffer {
    if (this.#writer.length < BUFFER_BYTES / 2) return this.#writer.copy();
    return this.#writer.take(this.#spare.pop() ?? Buffer.allocUnsafe(BUFFER_BYTES));
  }

  /** Forgets records that are in no frame yet. */
  discard(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writer.reset();
    this.#count = 0;
  }

  manifestDigest(end: EndRecord | undefined): Buffer {
    return end === undefined ? this.#manifest.digest() : this.#manifest.digestWith(end);
  }
}
