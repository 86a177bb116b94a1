/**
 * A set of the replica filled as an agent would fill it: syncs staged, applied and cut by the product's
 * own writer, at times that the sample chooses. Paths are latin1 text, as bytes.
 */
import path from 'node:path';
import type { Clock } from '../../../shared/clock.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { type NodeRecord, SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import type { SyncOutcome } from '../../../shared/protocol/sync-outcome.js';
import { Certifier } from '../../../replica/certify/certifier.js';
import { CertificateKeys } from '../../../replica/certify/certificate-keys.js';
import { CertificateLog } from '../../../replica/certify/certificate-log.js';
import { openReplicaData } from '../../../replica/replica.js';
import { SetHouse } from '../../../replica/set-house.js';
import { SetWriter } from '../../../replica/set-writer.js';
import { sendSync } from '../../model/open-set.js';
import { outcome } from '../../model/sync-records.js';
import { blockRecords, encode, link, nodeRecord, unlink } from '../../replica/support/small-set.js';

/** Records of one frame. */
const FRAME_RECORDS = 2000;

/** Time that stands where it was put. */
export class SampleClock implements Clock {
  nowMs = Date.now();

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return performance.now();
  }
}

/** Opens the sets below a replica's data folder, for as long as `fill` takes. */
export async function fillSets(
  dataFolder: string,
  fill: (open: (set: string) => Promise<SampleSet>) => Promise<void>,
): Promise<void> {
  const clock = new SampleClock();
  const { catalog } = openReplicaData(dataFolder);
  const log = new CertificateLog(path.join(dataFolder, 'catalog.db'));
  const keys = CertificateKeys.load(dataFolder, (publicKey) => log.hasKeyStepTo(publicKey));
  const house = new SetHouse({
    dataFolder,
    core: createHashCore(),
    posix: loadPosix(),
    clock,
    log: silentLog,
    claim: () => undefined,
    admit: () => undefined,
    certifier: new Certifier({ log, keys, clock }),
  });
  try {
    await fill(async (set) => {
      const port = await house.openFor({ set, agent: 'app-1' });
      if (!(port instanceof SetWriter)) throw new Error('a house opens sets with their writer');
      return new SampleSet(port, clock);
    });
  } finally {
    await house.close();
    log.close();
    catalog.close();
  }
}

export class SampleSet {
  readonly #writer: SetWriter;
  readonly #clock: SampleClock;
  readonly #nodes = new Map<string, number>([['', SET_NODE]]);
  #records: SyncRecord[] = [];
  #lastNode = SET_NODE;
  #sequence = 0;
  #sync = 0;

  constructor(writer: SetWriter, clock: SampleClock) {
    this.#writer = writer;
    this.#clock = clock;
  }

  folder(name: string, metadata: Partial<NodeRecord> = {}): this {
    const node = this.#add(name);
    this.#records.push(
      nodeRecord({ node, kind: 'folder', mode: 0o755, ...this.#now(), ...metadata }),
    );
    return this.#name(name, node);
  }

  /** A new file, or other content in the place of a file that is there. */
  file(name: string, content: Buffer | string, metadata: Partial<NodeRecord> = {}): this {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const known = this.#nodes.get(name);
    const node = known ?? this.#add(name);
    const body = known === undefined ? 'new' : 'keep';
    this.#records.push(
      nodeRecord({ node, size: bytes.length, body, ...this.#now(), ...metadata }),
      ...blockRecords(node, bytes),
    );
    return known === undefined ? this.#name(name, node) : this;
  }

  symlink(name: string, target: string): this {
    const node = this.#add(name);
    const kind = 'symlink';
    this.#records.push(
      nodeRecord({ node, kind, mode: 0o777, target: Buffer.from(target), ...this.#now() }),
    );
    return this.#name(name, node);
  }

  remove(name: string): this {
    this.#nodes.delete(name);
    this.#records.push(unlink(this.#parent(name), path.posix.basename(name)));
    return this;
  }

  rename(from: string, to: string): this {
    const node = this.#nodes.get(from);
    if (node === undefined) throw new Error(`no ${from} in the sample`);
    return this.remove(from).#name(to, node);
  }

  /** Makes a point of what was said since the last one. */
  async cut(timeMs: number, about: Partial<SyncOutcome> = {}): Promise<void> {
    this.#clock.nowMs = timeMs;
    this.#sync += 1;
    const { point, chain } = this.#writer.position();
    const begin: SyncRecord = {
      type: 'begin',
      sync: this.#sync,
      parentPoint: point,
      parentChain: chain,
      incarnation: Buffer.alloc(16, 3),
      startedMs: timeMs - 800,
    };
    const said: SyncOutcome = { ...outcome(), ...usual, imageMs: timeMs - 500, ...about };
    const end: SyncRecord = {
      type: 'end',
      sync: this.#sync,
      outcome: Buffer.from(JSON.stringify(said)),
    };
    const frames = [encode([begin])];
    for (let at = 0; at < this.#records.length; at += FRAME_RECORDS) {
      frames.push(encode(this.#records.slice(at, at + FRAME_RECORDS)));
    }
    frames.push(encode([end]));
    this.#records = [];
    const from = this.#sequence + 1;
    this.#sequence += frames.length;
    const event = await sendSync(this.#writer, { boot: '1', from, frames });
    if (event.type === 'refused') throw event.error;
  }

  /** What is said from now on carries this time. */
  at(timeMs: number): this {
    this.#clock.nowMs = timeMs;
    return this;
  }

  #now(): { readonly mtimeNs: bigint } {
    return { mtimeNs: BigInt(Math.round(this.#clock.nowMs)) * 1_000_000n };
  }

  #add(name: string): number {
    this.#lastNode += 1;
    this.#nodes.set(name, this.#lastNode);
    return this.#lastNode;
  }

  #name(name: string, node: number): this {
    this.#nodes.set(name, node);
    this.#records.push(link(this.#parent(name), path.posix.basename(name), node));
    return this;
  }

  #parent(name: string): number {
    const folder = path.posix.dirname(name);
    const parent = this.#nodes.get(folder === '.' ? '' : folder);
    if (parent === undefined) throw new Error(`no ${folder} in the sample`);
    return parent;
  }
}

const usual: Partial<SyncOutcome> = {
  consistency: 'application',
  recipe: 'postgres',
  heldMs: 41,
  rounds: 3,
  engine: 'clone',
  operation: 'schedule',
  source: { host: 'shop-1.example', roots: { app: '/srv/shop' } },
  counts: { filesChanged: 4, bytesRead: 300_000, bytesSent: 120_000 },
};
