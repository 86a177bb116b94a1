/** What becomes of a block: copied, asked for or sent, and how often the replica is asked. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import type { SyncRecord } from '../../../shared/protocol/records.js';
import { BlockOutlet } from '../../../agent/dedup/block-outlet.js';
import type { DedupIndex } from '../../../agent/dedup/dedup-index.js';

const core = createHashCore();

interface Scene {
  readonly outlet: BlockOutlet;
  readonly records: SyncRecord[];
  readonly asked: number[];
  readonly session: { live: boolean };
}

function scene(options: { readonly has?: boolean; readonly fails?: boolean } = {}): Scene {
  const records: SyncRecord[] = [];
  const asked: number[] = [];
  const known = new Set<string>();
  const session = {
    live: true,
    has: (digests: Uint8Array) => {
      asked.push(digests.length / 32);
      if (options.fails === true) return Promise.reject(new Error('away'));
      return Promise.resolve(
        new Uint8Array(digests.length / 32).fill(options.has === true ? 1 : 0),
      );
    },
  };
  const index: Pick<DedupIndex, 'has' | 'add' | 'isDistrusted'> = {
    has: (digest) => known.has(Buffer.from(digest).toString('hex')),
    add: (digest) => void known.add(Buffer.from(digest).toString('hex')),
    isDistrusted: () => false,
  };
  const sink = { put: (record: SyncRecord) => void records.push(record) };
  return { outlet: new BlockOutlet(sink, index, session), records, asked, session };
}

async function offer(outlet: BlockOutlet, block: number, bytes: Buffer): Promise<void> {
  await outlet.offer({ node: 2, block, digest: core.digest(bytes), bytes, locator: block });
}

test('blocks: unknown content is asked for in batches and sent when the answer is no', async () => {
  const { outlet, records, asked } = scene();
  outlet.eager = true;
  for (let block = 0; block < 40; block += 1) await offer(outlet, block, randomBytes(65_536));
  await outlet.drain();
  expect(asked).toEqual([16, 16, 8]);
  expect(records.map((record) => record.type)).toEqual(Array<string>(40).fill('block'));
});

test('blocks: content that the replica says it has is copied', async () => {
  const { outlet, records } = scene({ has: true });
  for (let block = 0; block < 20; block += 1) await offer(outlet, block, randomBytes(65_536));
  await outlet.drain();
  expect(new Set(records.map((record) => record.type))).toEqual(new Set(['copy']));
  expect(outlet.copied).toBe(20);
});

test('blocks: equal content in one batch is sent once', async () => {
  const { outlet, records } = scene();
  const bytes = randomBytes(65_536);
  for (let block = 0; block < 5; block += 1) await offer(outlet, block, bytes);
  await outlet.drain();
  expect(records.map((record) => record.type)).toEqual(['block', 'copy', 'copy', 'copy', 'copy']);
});

test('blocks: questions that are all answered no become rare', async () => {
  const { outlet, records, asked } = scene();
  for (let block = 0; block < 1_600; block += 1) await offer(outlet, block, randomBytes(65_536));
  await outlet.drain();
  expect(records).toHaveLength(1_600);
  expect(asked.length).toBeLessThan(12);
});

test('blocks: a little unknown content is not worth a question', async () => {
  const { outlet, records, asked } = scene();
  await offer(outlet, 0, randomBytes(5_000));
  await outlet.drain();
  expect(asked).toEqual([]);
  expect(records).toHaveLength(1);
});

test('blocks: nothing is asked while the application is held or the replica is away', async () => {
  const { outlet, records, asked, session } = scene({ has: true });
  outlet.silent = true;
  for (let block = 0; block < 20; block += 1) await offer(outlet, block, randomBytes(65_536));
  outlet.silent = false;
  session.live = false;
  for (let block = 20; block < 40; block += 1) await offer(outlet, block, randomBytes(65_536));
  await outlet.drain();
  expect(asked).toEqual([]);
  expect(records.every((record) => record.type === 'block')).toBe(true);
});

test('blocks: a question that fails is no failure, the blocks are sent', async () => {
  const { outlet, records } = scene({ fails: true });
  for (let block = 0; block < 20; block += 1) await offer(outlet, block, randomBytes(65_536));
  await outlet.drain();
  expect(records).toHaveLength(20);
});
