/**
 * A `SetSession` without a wire: records are encoded and decoded again, then given to a model of
 * the replica. Faults are settings.
 */
import { AfterimageError } from '../../../shared/errors.js';
import type { HashCore } from '../../../shared/hash/hash-core.js';
import { DIGEST_BYTES } from '../../../shared/limits.js';
import { ByteWriter } from '../../../shared/protocol/bytes.js';
import { decodeRecords, encodeRecord, type SyncRecord } from '../../../shared/protocol/records.js';
import type {
  AgentPosition,
  HelloOutcome,
  SessionEvent,
  SetSession,
} from '../../../agent/ship/session.js';
import { ModelReplica } from './model-replica.js';

export class FakeSession implements SetSession {
  readonly set = 'test';
  readonly replica: ModelReplica;
  live = true;
  sentBytes = 0;
  /** Digests asked for, and how many of them were there. */
  asked = 0;
  hits = 0;
  signatures = 0;
  /** Fails the stream after this many records, once. */
  breakAfter = Infinity;
  /** What `end` leads to instead of a commit, once. */
  atEnd: ((sync: number) => SessionEvent | undefined) | undefined;
  /** The digest that `manifestDigest(end)` announced. */
  announced: Buffer | undefined;
  readonly #core: HashCore;
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  #records = 0;

  constructor(core: HashCore, replica = new ModelReplica(core)) {
    this.#core = core;
    this.replica = replica;
  }

  /** What `start` was given. */
  position: (() => AgentPosition) | undefined;

  start(position: () => AgentPosition): Promise<HelloOutcome> {
    this.position = position;
    const { point, chain, ended } = position();
    const { replica } = this;
    if (point === replica.point && chain.equals(replica.chain)) {
      return Promise.resolve({ type: 'go-on', resumed: false });
    }
    if (ended?.sync === replica.lastSync && ended.manifest.equals(replica.lastManifest)) {
      return Promise.resolve({ type: 'roll-forward', ...this.#committed() });
    }
    return Promise.resolve({
      type: 'diverged',
      point: replica.point,
      chain: replica.chain,
      reason: point === 0 ? 'agent-state-lost' : 'other-history',
    });
  }

  write(record: SyncRecord): Promise<void> | undefined {
    const writer = new ByteWriter();
    this.sentBytes += encodeRecord(writer, record);
    for (const decoded of decodeRecords(writer.copy())) this.#take(decoded);
    return this.#records % 7 === 0 ? Promise.resolve() : undefined;
  }

  #take(record: SyncRecord): void {
    this.#records += 1;
    if (this.#records > this.breakAfter) {
      this.breakAfter = Infinity;
      throw new AfterimageError('session-stale', 'broken by the test');
    }
    if (record.type === 'end' && this.atEnd !== undefined) {
      const event = this.atEnd(record.sync);
      this.atEnd = undefined;
      if (event !== undefined) this.emit(event);
      return;
    }
    if (this.replica.take(record) && record.type === 'end') {
      this.emit({ type: 'committed', sync: record.sync, ...this.#committed() });
    }
  }

  #committed(): { point: number; chain: Buffer; timeMs: number } {
    return { point: this.replica.point, chain: this.replica.chain, timeMs: 1 };
  }

  flush(): void {
    this.#records += 0;
  }

  held: boolean[] = [];
  hold(held: boolean): void {
    this.held.push(held);
  }

  drop(): void {
    this.replica.drop();
  }

  manifestDigest(end?: SyncRecord): Buffer {
    const { manifest } = this.replica;
    return end === undefined ? manifest.digest() : manifest.digestWith(end);
  }

  has(digests: Uint8Array): Promise<Uint8Array> {
    const answer = new Uint8Array(digests.length / DIGEST_BYTES);
    for (let at = 0; at < answer.length; at += 1) {
      const digest = digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
      answer[at] = this.replica.has(digest) ? 1 : 0;
      this.asked += 1;
      this.hits += answer[at] ?? 0;
    }
    return Promise.resolve(answer);
  }

  signature(request: Parameters<SetSession['signature']>[0]): Promise<Uint8Array> {
    this.signatures += 1;
    const content = this.replica.content(request.node);
    const writer = new ByteWriter();
    let offset = 0;
    while (offset < content.length) {
      const bytes = content.subarray(offset, offset + this.#core.batchBytes);
      const final = offset + bytes.length >= content.length;
      let start = 0;
      for (const end of this.#core.boundaries(bytes, request, final)) {
        writer.u32(end - start);
        writer.bytes(this.#core.digest(bytes.subarray(start, end)).subarray(0, 8));
        start = end;
      }
      offset += start;
    }
    this.sentBytes += writer.length;
    return Promise.resolve(writer.copy());
  }

  listState(): ReturnType<SetSession['listState']> {
    return Promise.resolve({ records: this.replica.list(), next: null });
  }

  onEvent(listener: (event: SessionEvent) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
