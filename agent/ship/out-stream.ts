/**
 * Sends kept frames in order under the credit window, and goes back when the replica misses one.
 * A frame sent again has the same body, sealed anew (R11, R15).
 */
import { type AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { Ack } from '../../shared/protocol/ack.js';
import { malformed } from '../../shared/protocol/bytes.js';
import type { SealingKey } from '../../shared/seal/sealing-key.js';
import { countStage, Stage } from '../../shared/stages.js';
import type { FrameCompressor } from './frame-compressor.js';
import type { SessionTraffic } from './session.js';
import type { CutFrame, KeptFrame, KeptFrames } from './kept-frames.js';

/** Where sealed frames go in the session that lives. */
export interface OutLink {
  readonly seal: SealingKey;
  readonly publish: (bytes: Uint8Array) => void;
  readonly windowBytes: number;
}

/** Learns how fast frames arrive. */
export type Pace = Pick<FrameCompressor, 'waits' | 'received' | 'interrupt'>;

export class OutStream {
  readonly kept: KeptFrames;
  #link: OutLink | undefined;
  /** The next frame to send. */
  #sendNext = 1;
  /** Frames up to here hold no credit. */
  #received = 0;
  /** The replica waits for this one, as far as is known. */
  #arrivedNext = 1;
  #inFlightBytes = 0;
  #unsentBytes = 0;
  /** Since when the window is full, by `performance.now()`. */
  #fullSince: number | undefined;
  /** Times that frames were sent again because of a gap. */
  rewinds = 0;
  readonly #onUnreadable: (error: AfterimageError) => void;
  readonly #pace: Pace;

  constructor(options: {
    readonly kept: KeptFrames;
    readonly pace: Pace;
    /** A frame does not come back from the spool; until all is dropped nothing is sent. */
    readonly onUnreadable: (error: AfterimageError) => void;
  }) {
    this.kept = options.kept;
    this.#pace = options.pace;
    this.#onUnreadable = options.onUnreadable;
  }

  /** Bytes of frames that were cut and not yet sent in this session. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }
  /** For those who watch. */
  traffic(windowBytes: number): SessionTraffic {
    const { unsentBytes, inFlightBytes, rewinds } = this;
    return { windowBytes, inFlightBytes, unsentBytes, rewinds };
  }
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }
  /** True when frames were sent whose arrival is not known. */
  get behind(): boolean {
    return this.#arrivedNext < this.#sendNext;
  }
  get arrivedNext(): number {
    return this.#arrivedNext;
  }

  /** Keeps a frame and sends it when the window lets it. Throws `spool-full`. */
  add(cut: CutFrame): void {
    const sequence = this.kept.next;
    this.kept.add(cut);
    this.#unsentBytes += this.kept.get(sequence).wireBytes;
    this.pump();
  }

  /** A session begins in which the replica waits for `from`. */
  start(link: OutLink, from: number): void {
    this.kept.forgetSent();
    this.#link = link;
    this.#resetTo(from);
    this.pump();
  }

  stop(): void {
    this.#link = undefined;
    this.#pace.interrupt();
  }

  /** Frames up to `sequence` are needed no more; what was not sent of them is jumped over. */
  letGo(sequence: number): void {
    const isSent = sequence < this.#sendNext;
    this.kept.releaseTo(sequence);
    if (isSent) return;
    this.kept.restart();
    this.resend();
  }

  /** What is kept has changed altogether: sends it from its first frame. */
  resend(): void {
    this.#resetTo(this.kept.first);
    this.pump();
  }

  /** Throws `frame-malformed` for an acknowledgement of what was never sent. */
  onAck(ack: Ack): void {
    if (ack.next > this.#sendNext && ack.next > this.kept.next) throw malformed('frames acked');
    if (ack.received >= ack.next || ack.durable > ack.received) throw malformed('acks disagree');
    if (ack.next < this.kept.first && !this.kept.firstRestarts) return;
    if (ack.received > this.#received) {
      this.#pace.received(
        this.kept.bytesOf(this.#received + 1, Math.min(ack.received + 1, this.kept.next)),
      );
      this.#received = ack.received;
    }
    this.#arrivedNext = Math.max(this.#arrivedNext, ack.next);
    if (this.#sendNext < this.#arrivedNext) this.#sendFrom(this.#arrivedNext);
    if (ack.gap) this.#onGap(ack);
    this.kept.releaseTo(Math.min(ack.durable, this.kept.next - 1));
    this.#count();
    this.pump();
  }

  /** Sends what the window takes. */
  pump(): void {
    const link = this.#link;
    if (link === undefined) return;
    while (this.#sendNext < this.kept.next) {
      const frame = this.kept.get(this.#sendNext);
      const full = this.#inFlightBytes + frame.wireBytes > link.windowBytes;
      if (full && this.#inFlightBytes > 0) {
        this.#pace.waits(true);
        this.#fullSince ??= performance.now();
        return;
      }
      if (this.#fullSince !== undefined) countStage(Stage.window, this.#fullSince, frame.wireBytes);
      this.#fullSince = undefined;
      const body = this.#bodyOf(frame);
      if (body === undefined) return;
      const { bytes, counter } = link.seal.seal({
        type: 'records',
        sequence: this.#sendNext,
        recordCount: frame.recordCount,
        body,
        compressed: frame.compressed,
        restart: frame.restart,
        rawLength: frame.rawLength,
      });
      frame.sentCounter = counter;
      this.#sendNext += 1;
      this.#inFlightBytes += frame.wireBytes;
      this.#unsentBytes -= frame.wireBytes;
      link.publish(bytes);
    }
    this.#pace.waits(false);
  }

  /** Undefined when it cannot be read, which was said. */
  #bodyOf(frame: KeptFrame): Buffer | undefined {
    try {
      return this.kept.body(frame);
    } catch (error) {
      this.#onUnreadable(asAfterimageError(error));
      return undefined;
    }
  }

  #onGap(ack: Ack): void {
    const from = Math.max(ack.next, this.kept.first);
    if (from >= this.#sendNext) return;
    // the frame was sent again after what the replica had seen when it said so: it is on its way
    if (ack.counter < this.kept.get(from).sentCounter) return;
    this.rewinds += 1;
    this.#sendFrom(from);
  }

  #resetTo(from: number): void {
    this.#received = from - 1;
    this.#arrivedNext = from;
    this.#sendFrom(from);
  }

  #sendFrom(sequence: number): void {
    this.#sendNext = sequence;
    this.#unsentBytes = this.kept.bytesOf(sequence, this.kept.next).wire;
    this.#count();
  }

  #count(): void {
    this.#inFlightBytes = this.kept.bytesOf(this.#received + 1, this.#sendNext).wire;
  }
}
