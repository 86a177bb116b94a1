/** A `SetSession` without a wire onto a real writer of the replica: real agent, real replica, one process. */
import { randomBytes } from 'node:crypto';
import { ByteWriter } from '../../../shared/protocol/bytes.js';
import { ManifestDigest } from '../../../shared/protocol/manifest.js';
import { encodeRecord, type EndRecord, type SyncRecord } from '../../../shared/protocol/records.js';
import type {
  AgentPosition,
  HelloOutcome,
  SessionEvent,
  SetSession,
} from '../../../agent/ship/session.js';
import type { SetPort } from '../../../replica/receive/set-port.js';

const FRAME_BYTES = 256 * 1024;

export class WriterSession implements SetSession {
  readonly set: string;
  readonly live = true;
  sentBytes = 0;
  readonly #port: SetPort;
  readonly #boot = randomBytes(16).toString('hex');
  readonly #manifest = new ManifestDigest();
  readonly #frame = new ByteWriter();
  #sequence = 0;
  #staged: Promise<void> = Promise.resolve();

  constructor(port: SetPort) {
    this.#port = port;
    this.set = port.set;
  }

  start(position: () => AgentPosition): Promise<HelloOutcome> {
    const { point, chain } = position();
    const at = this.#port.position();
    if (point === at.point && chain.equals(at.chain)) {
      return Promise.resolve({ type: 'go-on', resumed: false });
    }
    throw new Error('the agent and the replica of this test begin together');
  }

  write(record: SyncRecord): Promise<void> | undefined {
    this.#manifest.add(record);
    this.sentBytes += encodeRecord(this.#frame, record);
    if (this.#frame.length < FRAME_BYTES && record.type !== 'end') return undefined;
    this.flush();
    return this.#staged;
  }

  flush(): void {
    if (this.#frame.length === 0) return;
    const body = this.#frame.copy();
    this.#frame.reset();
    this.#sequence += 1;
    const frame = { boot: this.#boot, sequence: this.#sequence, body };
    this.#staged = this.#staged.then(() => this.#port.stage(frame));
  }

  hold(): void {
    this.flush();
  }

  drop(): void {
    this.#frame.reset();
  }

  manifestDigest(end?: EndRecord): Buffer {
    return end === undefined ? this.#manifest.digest() : this.#manifest.digestWith(end);
  }

  async has(digests: Uint8Array): Promise<Uint8Array> {
    await this.#staged;
    return this.#port.has(digests);
  }

  signature(request: Parameters<SetSession['signature']>[0]): Promise<Uint8Array> {
    return this.#port.signature(request);
  }

  listState(cursor: string): ReturnType<SetSession['listState']> {
    return this.#port.listState(cursor);
  }

  onEvent(listener: (event: SessionEvent) => void): { unsubscribe(): void } {
    return this.#port.onEvent((event) => {
      if (event.type === 'sealed' || event.type === 'committed' || event.type === 'refused') {
        listener(event);
      }
    });
  }

  close(): Promise<void> {
    return this.#staged;
  }
}
