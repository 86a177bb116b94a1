/**
 * A replica's real catalog, sets and receiver in one process, with two agents enrolled: a victim with
 * points and secrets, and a hostile one with valid credentials, on the wire and beside it. Knows what
 * every acknowledged point must read back as.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadIdentity } from '../../../agent/ship/identity.js';
import type { SetSession } from '../../../agent/ship/session.js';
import { createSetSession } from '../../../agent/ship/set-session.js';
import { type Catalog, openCatalog } from '../../../replica/catalog/catalog.js';
import { createReceiver, type Receiver } from '../../../replica/receive/receiver.js';
import type { SetEvent, SetPort } from '../../../replica/receive/set-port.js';
import { type OpenedSet, SetHouse } from '../../../replica/set-house.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import { generateKeyPair, rawPrivate } from '../../../shared/seal/key-pair.js';
import { writeSecretFile } from '../../../shared/seal/secret-file.js';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import { differences, type FullCopy, readPoint } from '../../model/full-copy.js';
import { beginRecord, endRecord } from '../../model/sync-records.js';
import {
  blockRecords,
  core,
  encode,
  fileRecords,
  nodeRecord,
  pattern,
} from '../../replica/support/small-set.js';
import type { Seeded } from '../../support/seeded.js';
import { described, strange } from './disk-trouble.js';

const SETS_MAX = 12;
const PATIENCE_MS = 20_000;
const atStart = () => ({
  point: 0,
  chain: Buffer.alloc(32),
  incarnation: Buffer.alloc(16, 1),
  ended: null,
});

interface WatchedSet {
  readonly name: string;
  readonly copies: FullCopy[];
  sync: number;
  sequence: number;
}

export class HostileBench {
  readonly folder: string;
  /** Lies beside the data folder; nothing may write there. */
  readonly outside: string;
  readonly became = { refused: 0, committed: 0 };
  readonly #catalog: Catalog;
  readonly #house: SetHouse;
  readonly #receiver: Receiver;
  readonly #broker = createMemoryBroker();
  readonly #replicaKeys = generateKeyPair();
  readonly #victim: WatchedSet = { name: 'vault', copies: [], sync: 0, sequence: 0 };
  readonly #evil: WatchedSet = { name: 'evil', copies: [], sync: 0, sequence: 0 };
  #outsideBefore = '';
  #node = 1000;
  #session: SetSession | undefined;

  private constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-hostile-'));
    this.outside = path.join(this.folder, 'outside');
    this.#catalog = openCatalog({ path: path.join(this.folder, 'catalog.db') });
    this.#house = new SetHouse({
      dataFolder: this.folder,
      core,
      posix: loadPosix(),
      clock: systemClock,
      log: silentLog,
      claim: (request) => {
        this.#catalog.claimSet({ ...request, setsMax: SETS_MAX });
      },
      admit: () => undefined,
    });
    this.#receiver = createReceiver({
      transport: this.#broker.connect(),
      tenant: 'acme',
      identity: this.#replicaKeys,
      catalog: this.#catalog,
      openSet: this.#house.openFor,
      log: silentLog,
      beatMs: 50,
    });
  }

  static async create(): Promise<HostileBench> {
    const bench = new HostileBench();
    fs.mkdirSync(path.join(bench.outside, 'inner'), { recursive: true });
    fs.writeFileSync(path.join(bench.outside, 'file'), pattern(150_000, 1));
    bench.#enrol('mail');
    bench.#enrol('web');
    const secret = Buffer.concat([pattern(65_536, 7), pattern(65_536, 8)]);
    await bench.#sendTo(bench.#victim, [encode(file(2, 'secret', secret))]);
    await bench.#sendTo(bench.#evil, [encode(file(2, 'file', pattern(150_000, 1)))]);
    await bench.send([nodeRecord({ node: 3, kind: 'folder' }), ...nameIn(SET_NODE, 'folder', 3)]);
    await bench.send(fileRecords({ node: 4, parent: 3, name: 'inner', content: pattern(9000, 4) }));
    bench.#outsideBefore = described(bench.outside);
    return bench;
  }

  newNode(): number {
    this.#node += 1;
    return this.#node;
  }

  /** Names in the hostile set itself, of its newest point. */
  names(): string[] {
    const names = [...(this.#evil.copies.at(-1)?.keys() ?? [])];
    return [...new Set(names.map((name) => name.split('/')[0] ?? ''))];
  }

  /** A sync of the hostile agent; refused or a point. */
  async send(records: readonly SyncRecord[]): Promise<SetEvent> {
    return this.#sendTo(this.#evil, [encode(records)]);
  }

  /** The same with what `change` makes of each frame; frame 0 begins the sync. */
  async sendBodies(
    change: (body: Buffer, at: number) => Buffer,
    records: readonly SyncRecord[],
  ): Promise<SetEvent> {
    return this.#sendTo(this.#evil, [encode(records)], change);
  }

  async expectRefused(records: readonly SyncRecord[]): Promise<void> {
    const event = await this.send(records);
    if (event.type !== 'refused') throw new Error('a sync that must be refused became a point');
  }

  /** A link takes the place of a file or folder between sealing and applying, and goes again. */
  async swapWhileApplying(random: Seeded): Promise<void> {
    const base = path.join(this.folder, 'sets', 'evil', 'base');
    const [name, target] = random.chance(0.5)
      ? ['file', path.join(this.outside, 'file')]
      : ['folder', this.outside];
    const there = path.join(base, name);
    const aside = path.join(this.folder, 'aside');
    if (!fs.existsSync(there)) return;
    const writer = await this.#port('evil');
    let putRight: (() => void) | undefined;
    const plant = (): void => {
      fs.renameSync(there, aside);
      fs.symlinkSync(target, there);
      putRight = () => {
        fs.unlinkSync(there);
        fs.renameSync(aside, there);
      };
    };
    const early = random.chance(0.3);
    const subscription = writer.onEvent((event) => {
      if (event.type === 'sealed' && putRight === undefined) plant();
      if (event.type === 'stalled') {
        putRight?.();
        subscription.unsubscribe();
      }
    });
    if (early) plant();
    try {
      const content = random.bytes(150_000);
      await this.send([
        nodeRecord({ node: 2, size: content.length, body: 'keep' }),
        ...blockRecords(2, content),
        ...fileRecords({ node: this.newNode(), parent: 3, name: `s${this.#node}`, content }),
      ]);
    } finally {
      subscription.unsubscribe();
      if (fs.existsSync(aside)) putRight?.();
    }
  }

  /** Asks over the wire for what another agent's set holds. */
  async askForSecrets(digest: Buffer, random: Seeded): Promise<void> {
    const session = await this.#live();
    const [yes] = await session.has(digest);
    if (yes !== 0) throw new Error('has tells of a block of another set');
    const average = 1024 * (1 + random.below(64));
    const request = { minBytes: 256, averageBytes: average, maxBytes: 4 * average };
    const signature = await session.signature({
      node: random.pick([2, 3, 0, 2 ** 40]),
      ...request,
    });
    const cursor = random.pick(['', '0', '../vault', '999999999', '-1', '\0', 'x'.repeat(3000)]);
    const state = await session.listState(cursor).catch(() => undefined);
    for (const bytes of [signature, state?.records ?? Buffer.alloc(0)]) {
      if (Buffer.from(bytes).includes(digest)) throw new Error('another set shows through');
    }
  }

  /** Sets without end, HELLOs without end, small syncs without end. */
  async flood(random: Seeded): Promise<void> {
    const refused: string[] = [];
    for (let at = 0; at < SETS_MAX + 5; at += 1) {
      const set = `flood-${random.below(1000)}`;
      const session = this.#openSession('web', set);
      const away = new Promise<void>((resolve) => {
        session.onEvent((event) => {
          if (event.type === 'away') refused.push(event.error.code);
          if (event.type === 'away' || event.type === 'hello') resolve();
        });
      });
      void session.start(atStart);
      await away;
      await session.close();
    }
    const own = this.#catalog.listSets().filter(({ agent }) => agent === 'web').length;
    if (own > SETS_MAX) throw new Error(`an agent has ${own} sets`);
    if (!refused.includes('quota-exceeded')) throw new Error('no set was refused');
    const before = this.#evil.copies.length;
    for (let at = 0; at < 20; at += 1) await this.send([nodeRecord({ node: 3, kind: 'folder' })]);
    if (this.#evil.copies.length < before) throw new Error('points are gone');
  }

  /** A copy of the identity from before, with tokens that were used since. */
  async stealTokens(random: Seeded): Promise<void> {
    const set = `token-${random.below(4)}`;
    const own = this.#openSession('web', set);
    await own.start(atStart);
    const stolen = path.join(this.folder, 'stolen');
    fs.rmSync(stolen, { recursive: true, force: true });
    fs.cpSync(path.join(this.folder, 'agents', 'web'), stolen, { recursive: true });
    await own.close();
    for (let at = 0; at < 2; at += 1) {
      const again = this.#openSession('web', set);
      await again.start(atStart);
      if (at === 0) await again.close();
    }
    const thief = this.#openSession('web', set, stolen);
    const code = await new Promise<string>((resolve) => {
      thief.onEvent((event) => {
        if (event.type === 'away') resolve(event.error.code);
        if (event.type === 'hello') resolve('let in');
      });
      void thief.start(atStart);
    });
    await thief.close();
    if (code !== 'identity-in-use') throw new Error(`a stolen token: ${code}`);
  }

  /** What is not as it must be; empty when all is. */
  async wrong(): Promise<string[]> {
    const wrong: string[] = [];
    for (const watched of [this.#victim, this.#evil]) {
      const { store, writer } = await this.#opened(watched.name);
      const { point } = writer.position();
      if (point < watched.copies.length) wrong.push(`${watched.name} is at point ${point}`);
      // the newest few, and the first: all of them would take the time of all attacks
      const points = watched.copies.map((_, index) => index + 1);
      for (const number of new Set([points[0] ?? 1, ...points.slice(-3)])) {
        const copy = watched.copies[number - 1];
        if (copy === undefined) continue;
        const found = await readPoint(store, number);
        wrong.push(...differences(found, copy).map((line) => `${watched.name}@${number}: ${line}`));
      }
      wrong.push(...strange(path.join(this.folder, 'sets', watched.name, 'base')));
    }
    if (described(this.outside) !== this.#outsideBefore)
      wrong.push('something outside has changed');
    return wrong;
  }

  async close(): Promise<void> {
    await this.#session?.close();
    this.#receiver.close();
    await this.#house.close();
    this.#catalog.close();
  }

  async #sendTo(
    watched: WatchedSet,
    bodies: readonly Buffer[],
    change: (body: Buffer, at: number) => Buffer = (body) => body,
  ): Promise<SetEvent> {
    const { store, writer } = await this.#opened(watched.name);
    watched.sync += 1;
    const { point, chain } = writer.position();
    const begin = encode([beginRecord({ sync: watched.sync, point, chain })]);
    const frames = [begin, ...bodies, encode([endRecord(watched.sync)])].map(change);
    const event = await fateOf(writer, async () => {
      for (const body of frames) {
        watched.sequence += 1;
        await writer.stage({ boot: '1'.repeat(32), sequence: watched.sequence, body });
      }
    });
    if (event.type === 'committed') {
      this.became.committed += 1;
      watched.copies.push(await readPoint(store, event.point));
    } else {
      this.became.refused += 1;
    }
    return event;
  }

  async #opened(name: string): Promise<OpenedSet> {
    await this.#port(name);
    const opened = this.#house.opened.find((set) => set.name === name);
    if (opened === undefined) throw new Error(`set ${name} is not open`);
    return opened;
  }

  #port(set: string): Promise<SetPort> {
    return this.#house.openFor({ set, agent: set === 'vault' ? 'mail' : 'web' });
  }

  async #live(): Promise<SetSession> {
    if (this.#session === undefined) {
      this.#session = this.#openSession('web', 'questions');
      await this.#session.start(atStart);
    }
    return this.#session;
  }

  #openSession(agent: string, set: string, folder = path.join(this.folder, 'agents', agent)) {
    return createSetSession({
      transport: this.#broker.connect(),
      identity: loadIdentity(folder),
      set,
      spool: { folder: path.join(this.folder, 'spool'), bytesMax: 1e8 },
      timing: { watchdogMs: 2000, pingMs: 5000, backoffMinMs: 2, backoffMaxMs: 20 },
    });
  }

  #enrol(agent: string): void {
    const token = `token of ${agent}`;
    const expiresMs = systemClock.now() + 1e6;
    this.#catalog.addAgent({
      name: agent,
      tenant: 'acme',
      brokerKey: `U${agent}`,
      token,
      expiresMs,
    });
    writeSecretFile(path.join(this.folder, 'agents', agent, 'identity.json'), {
      format: 1,
      brokerUrl: 'nats://127.0.0.1',
      tenant: 'acme',
      agent,
      privateKey: rawPrivate(generateKeyPair()).toString('base64url'),
      replicaPublicKey: this.#replicaKeys.publicKey.toString('base64url'),
      brokerSeed: '',
      enrolmentToken: token,
    });
  }
}

/** What becomes of what `work` stages. Rejects when nothing does. */
async function fateOf(writer: SetPort, work: () => Promise<void>): Promise<SetEvent> {
  let timer: NodeJS.Timeout | undefined;
  const fate = new Promise<SetEvent>((resolve, reject) => {
    const subscription = writer.onEvent((event) => {
      if (event.type !== 'committed' && event.type !== 'refused') return;
      subscription.unsubscribe();
      resolve(event);
    });
    timer = setTimeout(() => {
      reject(new Error(`a sync has no fate after ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
  });
  try {
    await work();
    return await fate;
  } finally {
    clearTimeout(timer);
  }
}

function file(node: number, name: string, content: Buffer): SyncRecord[] {
  return fileRecords({ node, parent: SET_NODE, name, content });
}

function nameIn(parent: number, name: string, node: number): SyncRecord[] {
  return [{ type: 'link', parent, name: Buffer.from(name), node }];
}
