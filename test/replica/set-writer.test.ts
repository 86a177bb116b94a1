import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import { SetStore } from '../../replica/history/set-store.js';
import { StoredSetReader } from '../../replica/history/stored-set-reader.js';
import type { SetEvent } from '../../replica/receive/set-port.js';
import { SetWriter } from '../../replica/set-writer.js';
import { Seeded } from '../support/seeded.js';
import { type FullCopy, ModelSet, toFrames } from './support/model-set.js';

const core = createHashCore();
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-set-'));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

async function openSet(): Promise<{ store: SetStore; writer: SetWriter }> {
  const store = new SetStore({ set: 'model', folder, core });
  const writer = await SetWriter.open({
    store,
    core,
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    admit: () => undefined,
  });
  return { store, writer };
}

class Sender {
  sequence = 0;
  readonly boot: string;
  constructor(boot: string) {
    this.boot = boot.padStart(32, '0');
  }

  async send(writer: SetWriter, frames: readonly Buffer[]): Promise<SetEvent> {
    const done = new Promise<SetEvent>((resolve) => {
      const subscription = writer.onEvent((event) => {
        if (event.type === 'stalled') console.error(event.error.message, event.error.cause);
        if (event.type !== 'committed' && event.type !== 'refused') return;
        subscription.unsubscribe();
        resolve(event);
      });
    });
    for (const body of frames) {
      this.sequence += 1;
      await writer.stage({ boot: this.boot, sequence: this.sequence, body });
    }
    return done;
  }
}

async function readPoint(reader: StoredSetReader, point: number): Promise<FullCopy> {
  const view = reader.open(point);
  const copy: FullCopy = new Map();
  for (const entry of view.walk(SET_NODE)) {
    const { version } = entry;
    const parts: Buffer[] = [];
    if (version.kind === 'file') {
      for await (const piece of view.read(version.node, { offset: 0, length: version.size }))
        parts.push(Buffer.from(piece));
    }
    copy.set(entry.path.toString('latin1'), {
      node: version.node,
      kind: version.kind,
      mode: version.mode,
      mtimeNs: version.mtimeNs,
      content: Buffer.concat(parts),
      target: version.target.toString('latin1'),
    });
  }
  return copy;
}

function expectSame(found: FullCopy, expected: FullCopy, what: string): void {
  expect([...found.keys()].sort(), `${what}: names`).toEqual([...expected.keys()].sort());
  for (const [name, want] of expected) {
    const got = found.get(name);
    expect({ ...got, content: got?.content.length }, `${what}: ${name}`).toEqual({
      ...want,
      content: want.content.length,
    });
    expect(got?.content.equals(want.content), `${what}: content of ${name}`).toBe(true);
  }
}

function expectBase(expected: FullCopy): void {
  for (const [name, want] of expected) {
    const file = Buffer.concat([
      Buffer.from(path.join(folder, 'base/')),
      Buffer.from(name, 'latin1'),
    ]);
    if (want.kind === 'fifo') expect(fs.existsSync(file)).toBe(false);
    if (want.kind === 'file')
      expect(fs.readFileSync(file).equals(want.content), `base: ${name}`).toBe(true);
    if (want.kind === 'folder') expect(fs.lstatSync(file).isDirectory()).toBe(true);
    if (want.kind === 'symlink')
      expect(fs.readlinkSync(file, { encoding: 'latin1' })).toBe(want.target);
  }
}

describe('a set under random syncs', () => {
  const seeds =
    process.env.SEEDS === undefined ? [1, 2, 3, 4, 5, 6] : process.env.SEEDS.split(',').map(Number);
  test.each(seeds)('every point reads back as its full copy, seed %i', async (seed) => {
    const random = new Seeded(seed);
    const model = new ModelSet(random, core);
    let { store, writer } = await openSet();
    const sender = new Sender(String(seed));
    const copies: FullCopy[] = [];
    for (let sync = 1; sync <= 12; sync += 1) {
      model.mutate(random.below(25) + 1);
      const { point, chain } = writer.position();
      const event = await sender.send(writer, toFrames(model.records(sync, { point, chain })));
      expect(event.type === 'refused' ? event.error.message : event.type).toBe('committed');
      model.committed();
      copies.push(model.fullCopy());
      expectBase(model.fullCopy());
      if (random.chance(0.3)) {
        await writer.close();
        store.close();
        ({ store, writer } = await openSet());
      }
    }
    const reader = new StoredSetReader(store);
    for (const [index, copy] of copies.entries()) {
      expectSame(await readPoint(reader, index + 1), copy, `point ${index + 1}`);
    }
    await writer.close();
    store.close();
  });
});
