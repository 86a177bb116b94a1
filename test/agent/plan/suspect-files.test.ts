/** A file that fails under the reader, as on a disk with bad sectors: what becomes of its point. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SuspectFiles } from '../../../agent/plan/suspect-files.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

/** Bytes [from, until) of an inode cannot be read after `spared` reads of them. */
const bad = vi.hoisted(() => ({ ino: 0n, from: 0, until: 0, spared: 0 }));

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const readSync = (
    fd: number,
    into: NodeJS.ArrayBufferView,
    offset: number,
    length: number,
    position: number,
  ): number => {
    const hit = position < bad.until && position + length > bad.from;
    if (hit && real.fstatSync(fd, { bigint: true }).ino === bad.ino && --bad.spared < 0) {
      throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5 });
    }
    return real.readSync(fd, into, offset, length, position);
  };
  return { ...real, readSync, default: { ...real, readSync } };
});

const MIB = 1024 * 1024;
let bench: AgentBench;
beforeEach(() => {
  bench = openBench({ set: { suspects: new SuspectFiles() } });
});
afterEach(() => {
  bad.ino = 0n;
  bench.close();
});

const at = (name: string): string => join(bench.root, name);

function write(name: string, bytes: Buffer, offset: number): void {
  const fd = fs.openSync(at(name), 'r+');
  fs.writeSync(fd, bytes, 0, bytes.length, offset);
  fs.closeSync(fd);
}

/** Of the file that the point has under `name`. */
function contentOf(name: string): Buffer | undefined {
  const { entries, nodes } = bench.session.replica.state;
  const entry = [...entries].find(([key]) => key.endsWith(`/${name}`));
  return entry === undefined ? undefined : nodes.get(entry[1])?.content;
}

test('suspect files: one that fails after something was said of it fails that sync; the next leaves it out by name and keeps what it held, until it can be read (R17)', async () => {
  const before = randomBytes(5 * MIB);
  fs.writeFileSync(at('rotten'), before);
  await bench.sync();
  write('rotten', randomBytes(4096), 0);
  write('rotten', randomBytes(4096), 4 * MIB);
  fs.writeFileSync(at('other'), 'x');
  // The look that compares still reads it; when it is read to be sent, its first row is said already.
  const { ino } = fs.statSync(at('rotten'), { bigint: true });
  Object.assign(bad, { ino, from: 4 * MIB, until: 4 * MIB + 1, spared: 1 });
  await expect(bench.sync()).rejects.toMatchObject({ code: 'storage-failed' });
  expect(contentOf('other')).toBeUndefined();

  for (let sync = 0; sync < 2; sync += 1) {
    fs.writeFileSync(at('other'), `x ${sync}`);
    await bench.sync();
    expect(bench.session.replica.outcome?.unreadable).toEqual(['root/rotten']);
    expect(contentOf('rotten')?.equals(before)).toBe(true);
    expect(contentOf('other')?.toString()).toBe(`x ${sync}`);
  }

  bad.ino = 0n;
  await bench.sync();
  expect(bench.session.replica.outcome?.unreadable).toEqual([]);
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});
