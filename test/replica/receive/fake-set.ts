/**
 * A set's writer that keeps what it is given in memory: strict about numbering, as the real one
 * is, and with a durable state that survives `crash`, when the rest does not.
 */
import { AfterimageError } from '../../../shared/errors.js';
import { ManifestDigest, nextChain } from '../../../shared/protocol/manifest.js';
import {
  type BlockRecord,
  decodeRecords,
  type SyncRecord,
} from '../../../shared/protocol/records.js';
import type {
  SetEvent,
  SetPort,
  SetPosition,
  SignatureRequest,
  StagedFrame,
} from '../../../replica/receive/set-port.js';

export interface FakeSetOptions {
  /** Frames between two durable events; 1 unless told. */
  readonly durableEvery?: number;
  /** Commits only when `commit` is called. */
  readonly manualCommit?: boolean;
}

interface Staged {
  boot: string;
  sync: number;
  sealed: boolean;
  received: number;
  durable: number;
  digest: ManifestDigest;
  records: SyncRecord[];
}

export class FakeSet implements SetPort {
  readonly set: string;
  readonly #options: FakeSetOptions;
  readonly #listeners = new Set<(event: SetEvent) => void>();
  #staged: Staged | null = null;
  #frames = { boot: '', received: 0 };
  #refusedSync = 0;
  #position: Omit<SetPosition, 'staged'> = {
    point: 0,
    chain: Buffer.alloc(32),
    parentChain: null,
    chainOf: () => null,
    newestSync: null,
  };
  /** Link names of every committed sync, in order: what a test sends and expects once. */
  readonly committed: string[] = [];
  /** Blocks staged, copied. */
  readonly blocks: BlockRecord[] = [];
  readonly abandoned: string[] = [];
  /** Every frame staged, as `boot/sequence`. */
  readonly frames: string[] = [];
  /** Awaited by every `stage`. */
  gate: Promise<void> = Promise.resolve();
  /** The next `end` is refused with this. */
  refuseNext: AfterimageError | undefined;

  constructor(set: string, options: FakeSetOptions = {}) {
    this.set = set;
    this.#options = options;
  }

  position(): SetPosition {
    const staged = this.#staged;
    return {
      ...this.#position,
      staged:
        staged === null
          ? null
          : {
              boot: staged.boot,
              sync: staged.sync,
              sealed: staged.sealed,
              receivedSequence: staged.received,
              durableSequence: staged.durable,
            },
    };
  }

  async stage(frame: StagedFrame): Promise<void> {
    await this.gate;
    const expected = this.#frames.boot === frame.boot ? this.#frames.received + 1 : 1;
    if (frame.sequence !== expected) {
      throw new AfterimageError('internal', `frame ${frame.sequence}, ${expected} expected`);
    }
    this.#frames = { boot: frame.boot, received: frame.sequence };
    this.frames.push(`${frame.boot}/${frame.sequence}`);
    for (const record of decodeRecords(Buffer.from(frame.body))) this.#add(frame, record);
    if (this.#staged !== null) this.#staged.received = frame.sequence;
    if (frame.sequence % (this.#options.durableEvery ?? 1) === 0) this.sync();
    if (this.#staged?.sealed === true && this.#options.manualCommit !== true) {
      setImmediate(() => {
        this.commit();
      });
    }
  }

  /** Makes everything staged durable. */
  sync(): void {
    const { boot, received } = this.#frames;
    if (this.#staged !== null) this.#staged.durable = received;
    this.#tell({ type: 'durable', boot, sequence: received });
  }

  commit(): void {
    const staged = this.#staged;
    if (staged?.sealed !== true) return;
    const begin = staged.records[0];
    const incarnation = begin?.type === 'begin' ? begin.incarnation : Buffer.alloc(16);
    const manifest = staged.digest.digest();
    const chain = nextChain(this.#position.chain, manifest, incarnation);
    const timeMs = 1000 + this.#position.point;
    this.#position = {
      point: this.#position.point + 1,
      chain,
      parentChain: this.#position.chain,
      chainOf: () => null,
      newestSync: { sync: staged.sync, manifest, timeMs },
    };
    for (const record of staged.records) {
      if (record.type === 'link') this.committed.push(Buffer.from(record.name).toString());
    }
    this.#staged = null;
    const { point } = this.#position;
    this.#tell({ type: 'committed', sync: staged.sync, point, chain, timeMs });
  }

  /** What is left after power came back: frames that were not durable are gone. */
  crash(): FakeSet {
    const revived = new FakeSet(this.set, this.#options);
    revived.#position = this.#position;
    revived.committed.push(...this.committed);
    const staged = this.#staged;
    if (staged !== null && staged.durable === staged.received) {
      revived.#staged = staged;
      revived.#frames = { boot: staged.boot, received: staged.received };
    }
    return revived;
  }

  refuse(error: AfterimageError): void {
    const sync = this.#staged?.sync ?? 0;
    this.#staged = null;
    this.#refusedSync = sync;
    this.#tell({ type: 'refused', sync, error, wants: [{ node: 7, block: 3 }] });
  }

  stall(error: AfterimageError): void {
    this.#tell({ type: 'stalled', error });
  }

  resume(): void {
    this.#tell({ type: 'resumed' });
  }

  abandon(reason: string): Promise<void> {
    this.abandoned.push(reason);
    this.#staged = null;
    return Promise.resolve();
  }

  /** "Yes" for digests whose first byte is odd. */
  has(digests: Uint8Array): Promise<Uint8Array> {
    const answers = new Uint8Array(digests.length / 32);
    for (let index = 0; index < answers.length; index += 1) {
      answers[index] = (digests[index * 32] ?? 0) & 1;
    }
    return Promise.resolve(answers);
  }

  signature(request: SignatureRequest): Promise<Uint8Array> {
    return Promise.resolve(Buffer.alloc(request.node, request.averageBytes & 0xff));
  }

  listState(cursor: string): ReturnType<SetPort['listState']> {
    const page = Number(cursor === '' ? '0' : cursor);
    const next = page < 2 ? String(page + 1) : null;
    return Promise.resolve({ records: Buffer.alloc(500_000, page), next });
  }

  onEvent(listener: (event: SetEvent) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }

  #add(frame: StagedFrame, record: SyncRecord): void {
    if (record.type === 'begin') {
      this.#staged = {
        boot: frame.boot,
        sync: record.sync,
        sealed: false,
        received: frame.sequence,
        durable: 0,
        digest: new ManifestDigest(),
        records: [],
      };
    }
    const staged = this.#staged;
    if (staged === null) {
      if (this.#refusedSync === 0) throw new AfterimageError('internal', 'a record of no sync');
      return;
    }
    staged.digest.add(record);
    if (record.type === 'block') {
      const [digest, bytes] = [Buffer.from(record.digest), Buffer.from(record.bytes)];
      this.blocks.push({ ...record, digest, bytes });
    } else {
      staged.records.push(record);
    }
    if (record.type !== 'end') return;
    if (this.refuseNext !== undefined) {
      const error = this.refuseNext;
      this.refuseNext = undefined;
      this.refuse(error);
      return;
    }
    staged.sealed = true;
    staged.received = frame.sequence;
    this.sync();
    this.#tell({ type: 'sealed', sync: record.sync, manifest: staged.digest.digest() });
  }

  #tell(event: SetEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}
