/** Scrubbing a set as the replica runs it: when rounds begin, and what becomes of wanted blocks. */
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../shared/clock.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { SetEvent } from '../../../replica/receive/set-port.js';
import { ByteRate } from '../../../replica/verify/byte-rate.js';
import { SetScrub, type SetScrubDeps } from '../../../replica/verify/scrub-set.js';
import { flipBit } from '../support/scrubbed-set.js';
import {
  blockRecords,
  fileRecords,
  nodeRecord,
  Nodes,
  pattern,
  SmallSet,
} from '../support/small-set.js';
import { SET_NODE } from '../../../shared/protocol/records.js';

const UNBOUNDED = 1e12;

let small: SmallSet;
let scrub: SetScrub;
let wanted: { node: number; block: number }[];

function newScrub(options: Partial<SetScrubDeps> = {}): SetScrub {
  const { store, writer } = small.open;
  wanted = [];
  writer.onEvent((event: SetEvent) => {
    if (event.type === 'wanted') wanted.push(...event.blocks);
    if (event.type === 'committed') scrub.committed();
  });
  return new SetScrub({
    store,
    writer,
    siblings: () => [],
    core: createHashCore(),
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    rate: new ByteRate(systemClock, UNBOUNDED),
    everyMs: Infinity,
    ...options,
  });
}

async function oneRound(): Promise<void> {
  const before = scrub.status().last?.number ?? 0;
  scrub.begin();
  await vi.waitFor(
    () => {
      expect(scrub.status().last?.number).toBe(before + 1);
      expect(scrub.status().state).toBe('idle');
    },
    { timeout: 20_000 },
  );
}

beforeEach(async () => {
  small = await SmallSet.create();
  scrub = newScrub();
  scrub.start();
});
afterEach(async () => {
  await scrub.close();
  await small.close();
});

describe('scrub of a set', () => {
  test('scrub: what no twin has is asked of the agent, and whole once it is sent again', async () => {
    const file = small.at('base', 'other');
    flipBit(file, { byte: 77 });
    await oneRound();
    expect(wanted).toEqual([{ node: Nodes.other, block: 0 }]);
    expect(scrub.status()).toMatchObject({
      found: 1,
      repaired: 0,
      damaged: 1,
      wanted: 1,
      damage: [{ path: 'other', block: 0, points: { from: 1, to: 2 }, state: 'wanted' }],
    });
    await expect(small.wrongPoints()).rejects.toMatchObject({ code: 'damaged' });
    // The agent's file has the same content still: nothing of the file changes but the disk here.
    const content = pattern(5000, 2);
    await small.commit([
      nodeRecord({ node: Nodes.other, size: content.length, body: 'keep' }),
      ...blockRecords(Nodes.other, content),
    ]);
    expect(fs.readFileSync(file)).toEqual(content);
    await vi.waitFor(() => {
      expect(scrub.status()).toMatchObject({ found: 1, repaired: 1, damaged: 0, damage: [] });
    });
    expect(await small.wrongPoints()).toEqual([]);
  });

  test('scrub: a file that the agent changed meanwhile leaves only older points damaged (R3)', async () => {
    flipBit(small.at('base', 'other'), { byte: 77 });
    await oneRound();
    const content = pattern(5000, 9);
    await small.send([
      nodeRecord({ node: Nodes.other, size: content.length, body: 'keep' }),
      ...blockRecords(Nodes.other, content),
    ]);
    await vi.waitFor(() => {
      expect(scrub.status()).toMatchObject({
        damaged: 1,
        wanted: 0,
        damage: [{ path: 'other', points: { from: 1, to: 2 }, state: 'damaged' }],
      });
    });
    expect(small.point).toBe(3);
    expect(fs.readFileSync(small.at('base', 'other'))).toEqual(content);
  });

  test('scrub: a twin comes from another set of the same agent, not of others (R21)', async () => {
    const sibling = await SmallSet.create();
    try {
      const content = pattern(5000, 2);
      await sibling.commit(
        fileRecords({ node: 60, parent: SET_NODE, name: 'same', content: Buffer.from(content) }),
      );
      flipBit(small.at('base', 'other'), { byte: 77 });
      await oneRound();
      expect(scrub.status()).toMatchObject({ damaged: 1 });
      await scrub.close();
      scrub = newScrub({ siblings: () => [sibling.open.store] });
      scrub.start();
      await oneRound();
      expect(scrub.status()).toMatchObject({ damaged: 0, repaired: 1 });
      expect(await small.wrongPoints()).toEqual([]);
    } finally {
      await sibling.close();
    }
  });

  test('scrub: paused, a round stops and none begins; resumed, it goes on after a restart too', async () => {
    await scrub.close();
    scrub = newScrub({ rate: new ByteRate(systemClock, 1024) });
    scrub.start();
    scrub.begin();
    await vi.waitFor(() => {
      expect(scrub.status().state).toBe('running');
    });
    scrub.pause();
    await vi.waitFor(() => {
      expect(scrub.status().state).toBe('paused');
    });
    const { round } = scrub.status();
    expect(round).toMatchObject({ number: 1 });
    await scrub.close();
    scrub = newScrub();
    scrub.start();
    expect(scrub.status()).toMatchObject({ state: 'paused', round: { number: 1 } });
    scrub.resume();
    await vi.waitFor(() => {
      expect(scrub.status()).toMatchObject({ state: 'idle', round: null, last: { number: 1 } });
    });
  });

  test('scrub: a round is due again some time after the last one ended', async () => {
    await oneRound();
    await scrub.close();
    scrub = newScrub({ everyMs: 50 });
    scrub.start();
    await vi.waitFor(
      () => {
        expect(scrub.status().last?.number).toBeGreaterThan(2);
      },
      { timeout: 10_000 },
    );
  });

  test('scrub: while a sync is received the round goes on, and so does the sync', async () => {
    const content = pattern(3 * BLOCK_BYTES, 5);
    const frames = small.framed(
      fileRecords({ node: 61, parent: SET_NODE, name: 'coming', content }),
    );
    const [begin, ...rest] = frames;
    const { writer } = small.open;
    await writer.stage({
      boot: '1'.padStart(32, '0'),
      sequence: 1000,
      body: begin ?? Buffer.alloc(0),
    });
    expect(writer.status.state).toBe('receiving');
    flipBit(small.at('base', 'folder', 'file'), { byte: BLOCK_BYTES + 7 });
    await oneRound();
    // Block 1 of the file has a twin in block 0.
    expect(scrub.status()).toMatchObject({ repaired: 1, damaged: 0 });
    expect(rest.length).toBeGreaterThan(0);
    await writer.abandon('the test is over');
    expect(await small.wrongPoints()).toEqual([]);
  });
});

describe('byte rate', () => {
  test('byte rate: what is taken takes its time, a part of the rate longer', async () => {
    let nowMs = 0;
    const clock = { now: () => nowMs, monotonic: () => nowMs };
    const rate = new ByteRate(clock, 1_000_000);
    const { signal } = new AbortController();
    const startedMs = performance.now();
    await rate.take(100_000, { share: 1, signal });
    await rate.take(200_000, { share: 1, signal });
    const wholeMs = performance.now() - startedMs;
    expect(wholeMs).toBeGreaterThan(40);
    nowMs += 10_000;
    await rate.take(30_000, { share: 0.1, signal });
    expect(performance.now() - startedMs - wholeMs).toBeGreaterThan(40);
  });
});
