/** What is sent of a file's content: as few bytes as its change deserves (R1, R24, R27). */
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { SyncRecord } from '../../../shared/protocol/records.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

const posix = loadPosix();
let bench: AgentBench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => {
  bench.close();
});

const at = (name: string): string => join(bench.root, name);

interface Synced {
  readonly counts: Record<string, number>;
  readonly literalBytes: number;
}

async function synced(): Promise<Synced> {
  await bench.sync({ always: true });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  const { counts, literalBytes } = bench.session.replica;
  return { counts, literalBytes };
}

function patch(
  name: string,
  writes: readonly { readonly at: number; readonly bytes: Buffer }[],
): void {
  const fd = openSync(at(name), 'r+');
  for (const write of writes) writeSync(fd, write.bytes, 0, write.bytes.length, write.at);
  closeSync(fd);
}

test('content: scattered page writes send their pages, in a file of several MiB', async () => {
  writeFileSync(at('db'), randomBytes(5 * 1024 * 1024));
  await synced();
  const pages = [3, 200, 201, 500, 777, 1279];
  patch(
    'db',
    pages.map((page) => ({ at: page * 4096, bytes: randomBytes(4096) })),
  );
  const { counts, literalBytes } = await synced();
  expect(literalBytes).toBe(pages.length * 4096);
  expect(counts).toEqual({ begin: 1, node: 1, pages: 5, end: 1 });
});

test('content: an appended line sends the last page, in small and large files', async () => {
  writeFileSync(at('small.log'), randomBytes(50_000));
  writeFileSync(at('large.log'), randomBytes(3 * 1024 * 1024 + 100));
  await synced();
  appendFileSync(at('small.log'), 'one more line\n');
  appendFileSync(at('large.log'), 'one more line\n');
  const { literalBytes } = await synced();
  expect(literalBytes).toBeLessThan(3 * 4096);
});

test('content: a file most of which changed is written anew, its unchanged blocks as same', async () => {
  const content = randomBytes(4 * 1024 * 1024);
  writeFileSync(at('vm'), content);
  await synced();
  patch('vm', [{ at: 1024 * 1024, bytes: randomBytes(2.5 * 1024 * 1024) }]);
  const words: string[] = [];
  const write = bench.session.write.bind(bench.session);
  bench.session.write = (record: SyncRecord) => {
    if (record.type === 'node') words.push(record.body);
    return write(record);
  };
  const { counts } = await synced();
  expect(words).toEqual(['new']);
  expect(counts['same']).toBe(2);
  expect(counts['block']).toBe(40);
});

test('content: a file most of whose blocks changed by a page is patched with pages', async () => {
  writeFileSync(at('db'), randomBytes(4 * 1024 * 1024));
  await synced();
  const blocks = Array.from({ length: 50 }, (_, block) => block);
  patch(
    'db',
    blocks.map((block) => ({ at: block * 65_536 + 8192, bytes: randomBytes(4096) })),
  );
  const { counts, literalBytes } = await synced();
  expect(counts).toEqual({ begin: 1, node: 1, pages: 50, end: 1 });
  expect(literalBytes).toBe(50 * 4096);
});

test('content: of a file written anew, blocks with some changed pages send the pages', async () => {
  writeFileSync(at('vm'), randomBytes(4 * 1024 * 1024));
  await synced();
  patch('vm', [
    { at: 0, bytes: randomBytes(2.5 * 1024 * 1024) },
    { at: 3 * 1024 * 1024 + 4096, bytes: randomBytes(4096) },
  ]);
  const { counts, literalBytes } = await synced();
  expect(counts).toMatchObject({ block: 40, pages: 1 });
  expect(literalBytes).toBe(2.5 * 1024 * 1024 + 4096);
});

test('content: a file with two names is patched in place however much changed', async () => {
  writeFileSync(at('vm'), randomBytes(2 * 1024 * 1024));
  linkSync(at('vm'), at('other'));
  await synced();
  patch('vm', [{ at: 0, bytes: randomBytes(2 * 1024 * 1024) }]);
  const { counts } = await synced();
  expect(counts['same']).toBeUndefined();
});

test('content: 100 bytes in front of a file of 7 MB send less than 0.2 MB, rewritten in place', async () => {
  const content = randomBytes(7_000_000);
  writeFileSync(at('document'), content);
  await synced();
  const sent = bench.session.sentBytes;
  writeFileSync(at('document'), Buffer.concat([randomBytes(100), content]));
  const { counts } = await synced();
  expect(counts['splice']).toBeGreaterThan(100);
  expect(bench.session.sentBytes - sent).toBeLessThan(200_000);
});

test('content: 100 bytes in front of a file send little, when a new file takes its name', async () => {
  const content = randomBytes(3_000_000);
  writeFileSync(at('document'), content);
  await synced();
  const sent = bench.session.sentBytes;
  writeFileSync(at('document~'), Buffer.concat([randomBytes(100), content]));
  renameSync(at('document~'), at('document'));
  await synced();
  expect(bench.session.sentBytes - sent).toBeLessThan(120_000);
});

test('content: a rewritten file with nothing in common is sent whole, without splices', async () => {
  writeFileSync(at('document'), randomBytes(1_000_000));
  await synced();
  writeFileSync(at('document'), randomBytes(1_100_000));
  const { counts, literalBytes } = await synced();
  expect(counts['splice']).toBeUndefined();
  expect(literalBytes).toBe(1_100_000);
});

test('content: a copy of a file sends no bytes of it', async () => {
  const content = randomBytes(300_000);
  writeFileSync(at('original'), content);
  await synced();
  writeFileSync(at('copy'), content);
  const { counts, literalBytes } = await synced();
  expect(literalBytes).toBe(0);
  expect(counts['copy']).toBe(5);
});

test('content: equal blocks inside one sync are sent once', async () => {
  const block = randomBytes(65_536);
  writeFileSync(at('one'), Buffer.concat([block, block, block]));
  writeFileSync(at('two'), block);
  expect((await synced()).literalBytes).toBe(65_536);
});

test('content: zeros and holes are said, not sent, and holes are not read', async () => {
  const fd = openSync(at('sparse'), 'w');
  writeSync(fd, 'head', 0);
  writeSync(fd, 'tail', 40 * 1024 * 1024);
  closeSync(fd);
  writeFileSync(at('zeros'), Buffer.alloc(500_000));
  const { literalBytes } = await synced();
  expect(literalBytes).toBeLessThan(70_000);
  const read = bench.session.replica.outcome?.counts.bytesRead ?? 0;
  if (posix.native) expect(read).toBeLessThan(8 * 1024 * 1024);
});

test('content: cut and grown again, a file is what it is, whatever was there before', async () => {
  writeFileSync(at('file'), randomBytes(200_000));
  await synced();
  truncateSync(at('file'), 70_000);
  await synced();
  const fd = openSync(at('file'), 'r+');
  ftruncateSync(fd, 200_000);
  closeSync(fd);
  await synced();
  truncateSync(at('file'), 65_536);
  const { literalBytes } = await synced();
  expect(literalBytes).toBe(0);
});

test('content: an edit that keeps size and mtime is found by ctime', async () => {
  writeFileSync(at('file'), 'version 1');
  await synced();
  await bench.sync();
  const before = posix.lstat(Buffer.from(at('file')));
  writeFileSync(at('file'), 'version 2');
  posix.setMtime(Buffer.from(at('file')), before.mtimeNs);
  expect((await synced()).literalBytes).toBe(9);
});

test('content: such an edit of a file that had long stood still is found by ctime alone (promise 5)', async () => {
  writeFileSync(at('file'), 'version 1');
  await pastTick(at('file'));
  await synced();
  await bench.sync();
  const before = posix.lstat(Buffer.from(at('file')));
  writeFileSync(at('file'), 'version 2');
  posix.setMtime(Buffer.from(at('file')), before.mtimeNs);
  await pastTick(at('file'));
  expect((await synced()).literalBytes).toBe(9);
});

test('content: twenty edits of one size in one second are each in their point', async () => {
  for (let edit = 0; edit < 20; edit += 1) {
    writeFileSync(at('file'), `version ${String(edit).padStart(2, '0')}`);
    await bench.sync();
    const [file] = [...bench.session.replica.state.nodes.values()].filter(
      ({ record }) => record.kind === 'file',
    );
    expect(file?.content.toString()).toBe(readFileSync(at('file'), 'utf8'));
  }
});

test('content: a file that grows while it is read is consistent in its point and read again', async () => {
  writeFileSync(at('log'), randomBytes(3 * 1024 * 1024));
  const write = bench.session.write.bind(bench.session);
  let grown = false;
  bench.session.write = (record: SyncRecord) => {
    if (record.type === 'block' && !grown) {
      grown = true;
      appendFileSync(at('log'), 'more');
    }
    return write(record);
  };
  const result = await bench.sync();
  expect(result).toMatchObject({ type: 'committed', unsettled: 1 });
  await synced();
});

test('content: a file that shrinks while it is read ends where it ended', async () => {
  writeFileSync(at('log'), randomBytes(9 * 1024 * 1024));
  const write = bench.session.write.bind(bench.session);
  let cut = false;
  bench.session.write = (record: SyncRecord) => {
    if (record.type === 'block' && !cut) {
      cut = true;
      truncateSync(at('log'), 5_500_000);
    }
    return write(record);
  };
  await bench.sync();
  const sizes = [...bench.session.replica.state.nodes.values()].map(({ record }) => record.size);
  expect(sizes).toContain(5_500_000);
  await synced();
});

test('content: a large file rewritten between the two looks is what was sent, then what it is', async () => {
  writeFileSync(at('vm'), randomBytes(3 * 1024 * 1024));
  await synced();
  patch(
    'vm',
    [0, 1, 2].map((part) => ({ at: part * 1024 * 1024, bytes: randomBytes(4096) })),
  );
  const write = bench.session.write.bind(bench.session);
  let moved = false;
  bench.session.write = (record: SyncRecord) => {
    if (record.type === 'pages' && !moved) {
      moved = true;
      patch('vm', [{ at: 2 * 1024 * 1024, bytes: randomBytes(70_000) }]);
      truncateSync(at('vm'), 2 * 1024 * 1024 + 100_000);
    }
    return write(record);
  };
  const result = await bench.sync();
  expect(result).toMatchObject({ type: 'committed', unsettled: 1 });
  await synced();
});

/** Resolves when a look at the file is so much later than its last change that none can hide in between. */
async function pastTick(path: string): Promise<void> {
  const changedMs = statSync(path).ctimeMs;
  while (Date.now() < changedMs + 100) await new Promise((resolve) => setTimeout(resolve, 20));
}
