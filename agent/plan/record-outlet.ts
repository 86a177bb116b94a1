/** Where the planner's records go: `begin` before the first, counts for the outcome. */
import type { BeginRecord, SyncRecord } from '../../shared/protocol/records.js';
import type { SetSession } from '../ship/session.js';

export class RecordOutlet {
  readonly #session: Pick<SetSession, 'write'>;
  readonly #begin: () => BeginRecord;
  #begun = false;
  /** Records written, `begin` not counted. */
  records = 0;
  /** Bytes of content in them. */
  literalBytes = 0;

  constructor(session: Pick<SetSession, 'write'>, begin: () => BeginRecord) {
    this.#session = session;
    this.#begin = begin;
  }

  /** False while nothing was said: then no sync is needed. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Byte fields are taken before this returns. Wait for the promise, when there is one. */
  put(record: SyncRecord): Promise<void> | undefined {
    this.records += 1;
    if (record.type === 'block' || record.type === 'pages') {
      this.literalBytes += record.bytes.length;
    }
    if (this.#begun) return this.#session.write(record);
    const wait = this.begin();
    const second = this.#session.write(record);
    return wait === undefined ? second : Promise.all([wait, second]).then(() => undefined);
  }

  begin(): Promise<void> | undefined {
    if (this.#begun) return undefined;
    this.#begun = true;
    return this.#session.write(this.#begin());
  }
}
