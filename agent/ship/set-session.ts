/**
 * The agent's side of the wire for one set: says HELLO and says it again after every break, ships
 * records in order, keeps them until the replica has them durably, and passes on what the replica
 * reports. The contract is session.ts; the protocol is in docs/design/protocol.md.
 */
import { randomBytes } from 'node:crypto';
import { AfterimageError, asAfterimageError, invariant } from '../../shared/errors.js';
import { FRAME_TARGET_BYTES } from '../../shared/limits.js';
import type { Ack, Watch } from '../../shared/protocol/ack.js';
import type { EndRecord, SyncRecord } from '../../shared/protocol/records.js';
import type { Hello } from '../../shared/protocol/hello.js';
import { checkWireName } from '../../shared/protocol/subject.js';
import { FrameBuilder } from './frame-builder.js';
import { type CompressionState, FrameCompressor } from './frame-compressor.js';
import { type CutFrame, KeptFrames } from './kept-frames.js';
import { type OpenSync, type SaidAtHello, syncSaid } from './open-sync.js';
import { OutStream } from './out-stream.js';
import type { HelloAttempt, LinkOwner } from './link-owner.js';
import type { LiveSession } from './say-hello.js';
import type { AgentPosition, HelloOutcome, SessionEvent, SetSession } from './session.js';
import { SetLink, type SetLinkOptions } from './set-link.js';
import type { LaneStatus } from './set-lane.js';
import { doubtOf, outcomeOf, sessionEventOf, wirePositionOf } from './session-events.js';
import { SetQuestions } from './set-questions.js';
import { applicationHeld, sessionClosed } from './session-refusals.js';
import { Spool } from './spool.js';

/** Parts shared by all sets of the agent are closed by whoever made them. */
export interface SetSessionOptions extends Omit<SetLinkOptions, 'windowBytes'> {
  /** Where frames go that memory has no room for, and how many bytes of them at most (R11). */
  readonly spool: { readonly folder: string; readonly bytesMax: number };
  /** Credit window, 4 MiB unless told; the replica may allow less. */
  readonly windowBytes?: number;
  /** Bytes of unacknowledged frames kept in memory before the spool is used. */
  readonly memoryBytesMax?: number;
  /** `auto` unless told, by what this one measures. */
  readonly compressor?: FrameCompressor;
}

const WINDOW_BYTES = 4 * 1024 * 1024;
const MEMORY_BYTES_MAX = 48 * 1024 * 1024;
/** Frames cut but not sent, before `write` waits. */
const UNSENT_BYTES_MAX = 4 * FRAME_TARGET_BYTES;

export function createSetSession(options: SetSessionOptions): SetSession {
  checkWireName('set', options.set);
  return new Session(options);
}

class Session implements SetSession, LinkOwner {
  readonly set: string;
  readonly #stream = randomBytes(16).toString('hex');
  readonly #windowBytes: number;
  readonly #spool: Spool;
  readonly #out: OutStream;
  readonly #builder: FrameBuilder;
  readonly #compressor: FrameCompressor;
  readonly #link: SetLink;
  readonly #questions: SetQuestions;
  readonly restore = (question: Uint8Array) => this.#questions.restore(question);
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  #waiters: { resolve: () => void; reject: (error: AfterimageError) => void }[] = [];
  #position: (() => AgentPosition) | undefined;
  #firstOutcome: ((outcome: HelloOutcome) => void) | undefined;
  #open: OpenSync | null = null;
  /** Why the open sync cannot go on; until `drop`. */
  #failure: AfterimageError | undefined;
  #held = false;
  #closed = false;

  constructor(options: SetSessionOptions) {
    this.set = options.set;
    this.#windowBytes = options.windowBytes ?? WINDOW_BYTES;
    this.#spool = new Spool(options.spool);
    const memoryBytesMax = options.memoryBytesMax ?? MEMORY_BYTES_MAX;
    this.#compressor = options.compressor ?? new FrameCompressor();
    const builder = new FrameBuilder(
      (frame) => {
        this.#keep(frame);
      },
      (raw) => this.#compressor.compress(raw),
    );
    this.#builder = builder;
    const kept = new KeptFrames({
      spool: this.#spool,
      memoryBytesMax,
      onRelease: (body) => {
        builder.recycle(body);
      },
    });
    this.#out = new OutStream({
      kept,
      pace: this.#compressor,
      onUnreadable: (error) => {
        this.#unreadable(error);
      },
    });
    const link = new SetLink({ ...options, windowBytes: this.#windowBytes }, this);
    this.#link = link;
    this.#questions = new SetQuestions({
      transport: options.transport,
      subject: () => link.subject('has'),
      session: () => link.session,
      refusal: (about) => this.#refusal(about),
    });
  }

  get live(): boolean {
    return this.#link.session !== undefined;
  }
  readonly traffic = () => this.#out.traffic(this.#windowBytes);
  get sentBytes(): number {
    return this.#link.sentBytes;
  }
  get compression(): CompressionState {
    return this.#compressor.state;
  }
  get lane(): LaneStatus {
    return this.#link.lane;
  }
  /** The application is held, or what became of an ended sync is about to be told. */
  get delicate(): boolean {
    return this.#held || (this.#open?.end ?? null) !== null;
  }
  get outstanding(): boolean {
    const { kept } = this.#out;
    return kept.first < kept.next || (this.#open?.end ?? null) !== null;
  }
  get behind(): boolean {
    return this.#out.behind;
  }
  get arrivedNext(): number {
    return this.#out.arrivedNext;
  }

  start(position: () => AgentPosition): Promise<HelloOutcome> {
    this.#position = position;
    return new Promise((resolve) => {
      this.#firstOutcome = resolve;
      this.#link.start();
    });
  }

  write(record: SyncRecord): Promise<void> | undefined {
    if (this.#closed) return Promise.reject(sessionClosed());
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (record.type === 'begin') {
      this.#builder.cut();
      this.#open = { sync: record.sync, begin: this.#out.kept.next, end: null, sealed: false };
    }
    this.#builder.add(record);
    if (record.type === 'end') {
      this.#builder.cut();
      if (this.#open !== null) this.#open.end = this.#out.kept.next - 1;
    }
    const failure = this.#failureNow();
    if (failure !== undefined) return Promise.reject(failure);
    if (!this.#blocked()) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  flush(): void {
    this.#builder.cut();
  }

  hold(held: boolean): void {
    this.#held = held;
    if (!held) return;
    this.#wake();
    this.#questions.hold(applicationHeld());
  }

  drop(): void {
    const { kept } = this.#out;
    const unfinished = this.#open !== null && !this.#open.sealed;
    const left = kept.first < kept.next || this.#builder.bytes > 0;
    const restart = unfinished || left || this.#failure !== undefined;
    this.#builder.discard();
    kept.clear();
    this.#open = null;
    this.#failure = undefined;
    if (restart) kept.restart();
    this.#out.resend();
    this.#wake();
  }

  manifestDigest(end?: EndRecord): Buffer {
    return this.#builder.manifestDigest(end);
  }

  has(digests: Uint8Array): Promise<Uint8Array> {
    return this.#questions.has(digests);
  }

  signature(request: Parameters<SetSession['signature']>[0]): Promise<Uint8Array> {
    return this.#questions.signature(request);
  }

  listState(cursor: string): ReturnType<SetSession['listState']> {
    return this.#questions.state(cursor);
  }

  onEvent(listener: (event: SessionEvent) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#link.close();
      this.#builder.discard();
      this.#out.stop();
      this.#out.kept.clear();
      this.#rejectWaiters(sessionClosed());
      this.#questions.giveUp(sessionClosed());
      this.#spool.close();
    }
    return Promise.resolve();
  }

  // what the link asks and tells

  attempt(): HelloAttempt {
    const position = this.#position?.();
    invariant(position !== undefined, 'a session that says hello was started');
    this.#builder.cut();
    const { kept } = this.#out;
    const open = this.#open;
    const { ended, watch } = position;
    return {
      state: {
        position: wirePositionOf(position),
        frames: {
          stream: this.#stream,
          first: kept.first,
          firstRestarts: kept.firstRestarts,
          next: kept.next,
          ...kept.numbering,
          open: open === null ? null : { sync: open.sync, begin: open.begin },
        },
        ...(watch === undefined ? {} : { watch }),
      },
      welcomed: (session) => {
        this.#begin(session, { open, endedSync: ended?.sync });
      },
    };
  }

  standsAt({ point, chain }: Hello['position']): boolean {
    const now = this.#position?.();
    return now?.point === point && now.chain.toString('hex') === chain;
  }

  watch(): Watch | undefined {
    return this.#position?.().watch;
  }

  acked(ack: Ack): void {
    this.#out.onAck(ack);
    this.#wake();
  }

  told(event: Parameters<LinkOwner['told']>[0]): void {
    const open = 'sync' in event && this.#open?.sync === event.sync ? this.#open : null;
    if (open !== null && event.type !== 'refused' && open.end !== null) {
      this.#out.letGo(open.end);
      open.sealed = true;
    }
    if (open !== null && event.type !== 'sealed') this.#open = null;
    this.#emit(sessionEventOf(event));
    const doubt = doubtOf(event, open === null);
    if (doubt !== undefined) this.#link.sayHelloAgain(doubt);
  }

  away(error: AfterimageError): void {
    this.#emit({ type: 'away', error });
  }

  broke(error: AfterimageError): void {
    this.#out.stop();
    this.#questions.interrupt(error);
    this.#wake();
  }

  // a session begins

  #begin(session: LiveSession, said: SaidAtHello): void {
    const { welcome } = session;
    const from = this.#replan(welcome, said);
    this.#out.start(
      {
        seal: session.seal,
        windowBytes: Math.min(welcome.windowBytes, this.#windowBytes),
        publish: (bytes) => {
          this.#link.publish(bytes);
        },
      },
      from,
    );
    this.#questions.resume(session);
    const outcome = outcomeOf(welcome.outcome);
    this.#emit({ type: 'hello', outcome, about: syncSaid(said) });
    this.#firstOutcome?.(outcome);
    this.#firstOutcome = undefined;
    this.#wake();
  }

  /** Brings what is kept in line with what the replica has; returns where sending starts. */
  #replan(welcome: LiveSession['welcome'], said: SaidAtHello): number {
    const { kept } = this.#out;
    const { outcome, frames } = welcome;
    // what was dropped or begun while the HELLO travelled is not what was answered
    const open = this.#open === said.open ? this.#open : null;
    if (open !== null && outcome.type === 'roll-forward' && open.sync === said.endedSync) {
      kept.clear();
      this.#open = null;
    } else if (open !== null && (outcome.type !== 'go-on' || frames.type === 'lost')) {
      this.#fail(new AfterimageError('session-stale', 'the replica lost frames of this sync'));
    }
    if (this.#failure !== undefined) return kept.next;
    if (frames.type === 'from' && frames.sequence >= kept.first && frames.sequence <= kept.next) {
      return frames.sequence;
    }
    const shift = kept.restart();
    if (this.#open !== null) {
      this.#open.begin += shift;
      if (this.#open.end !== null) this.#open.end += shift;
    }
    return kept.first;
  }

  // writing

  #keep(frame: CutFrame): void {
    try {
      this.#out.add(frame);
    } catch (error) {
      this.#fail(asAfterimageError(error));
    }
  }

  #failureNow(): AfterimageError | undefined {
    return this.#failure;
  }

  #refusal(about: 'all' | 'closed'): AfterimageError | undefined {
    if (this.#closed) return sessionClosed();
    return about === 'all' && this.#held && !this.live ? applicationHeld() : undefined;
  }

  #blocked(): boolean {
    const { kept } = this.#out;
    // With nothing kept there is nothing whose fate could make room.
    if (this.#held || kept.first === kept.next) return false;
    if (!kept.hasRoom(2 * FRAME_TARGET_BYTES)) return true;
    // A live replica makes frames durable soon: waiting for it is cheaper than writing them here too.
    if (this.live && !kept.hasMemory(2 * FRAME_TARGET_BYTES)) return true;
    return this.live && this.#out.unsentBytes >= UNSENT_BYTES_MAX;
  }

  #wake(): void {
    if (this.#waiters.length === 0 || this.#blocked()) return;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  #rejectWaiters(error: AfterimageError): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }

  /** The open sync is over: nothing of it is sent any more, and writing says so until `drop`. */
  #fail(error: AfterimageError): void {
    this.#failure = error;
    this.#open = null;
    this.#builder.discard();
    this.#out.kept.clear();
    this.#out.resend();
    this.#rejectWaiters(error);
  }

  /** Frames are gone that nobody else has: whoever waits for the sync hears that it will not be. */
  #unreadable(error: AfterimageError): void {
    const sync = this.#open?.sync;
    this.#link.log.error('frames of the spool do not read back', error, { sync: sync ?? 0 });
    this.#fail(error);
    if (sync !== undefined) this.#emit({ type: 'refused', sync, error, wants: [] });
  }

  #emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#link.log.error('a listener of session events failed', error, { event: event.type });
      }
    }
  }
}
