/**
 * The spool on a disk that fails: what it holds is encrypted and bounded, a crash leaves nothing that
 * stays, and a frame that does not read back ends its sync with an error instead of a wait (R11, R15).
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync as writeBytes,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeptFrames } from '../../../agent/ship/kept-frames.js';
import { Spool } from '../../../agent/ship/spool.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { createMemoryBroker } from '../../../shared/transport/memory.js';
import { createRig, firstPosition, incarnation, watchEvents, writeSync } from './wire-rig.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-spooling-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The files without a name that this process holds for spools below `under`. */
function spoolFiles(under: string): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => `/proc/self/fd/${fd}`)
    .filter((path) => {
      try {
        const target = readlinkSync(path);
        return target.startsWith(under) && /spool-[0-9a-f]+ \(deleted\)$/.test(target);
      } catch {
        return false;
      }
    });
}

function alter(path: string, how: 'damage' | 'truncate'): void {
  const fd = openSync(path, 'r+');
  const { size } = fstatSync(fd);
  if (how === 'truncate') ftruncateSync(fd, size >> 1);
  else for (let at = 100; at < size; at += 4096) writeBytes(fd, Buffer.from('rot'), 0, 3, at);
  closeSync(fd);
}

describe('spool on a disk', () => {
  test('spool: what lies on the disk is encrypted, each frame apart (R15)', () => {
    const spool = new Spool({ folder, bytesMax: 1e6 });
    const plain = Buffer.from('salary of everybody '.repeat(500));
    spool.append(plain);
    spool.append(plain);
    const [path] = spoolFiles(folder);
    const stored = readFileSync(path ?? '');
    expect(stored.length).toBeGreaterThan(2 * plain.length);
    expect(stored.includes('salary')).toBe(false);
    const half = stored.length / 2;
    expect(stored.subarray(0, half).equals(stored.subarray(half))).toBe(false);
    spool.close();
  });

  test('spool: the disk holds its limit and at most one file more, however frames come and go', () => {
    const bytesMax = 16 * 1024 * 1024;
    const spool = new Spool({ folder, bytesMax });
    const kept = new KeptFrames({ spool, memoryBytesMax: 0 });
    const body = randomBytes(200_000);
    let refused = 0;
    for (let step = 0; step < 600; step += 1) {
      try {
        kept.add({ recordCount: 1, body, compressed: false, rawLength: body.length });
      } catch (error) {
        expect(error).toMatchObject({ code: 'spool-full' });
        refused += 1;
        kept.releaseTo(kept.first + 7);
      }
      const onDisk = spoolFiles(folder).reduce((sum, path) => {
        const fd = openSync(path, 'r');
        const { size } = fstatSync(fd);
        closeSync(fd);
        return sum + size;
      }, 0);
      expect(onDisk).toBeLessThanOrEqual(bytesMax + bytesMax / 8 + body.length + 16);
    }
    expect(refused).toBeGreaterThan(10);
    kept.clear();
    expect(spoolFiles(folder)).toEqual([]);
    spool.close();
  });

  test('spool: a name that a killed process left goes with the next spool, nothing else does', () => {
    mkdirSync(join(folder, 'spool'));
    writeFileSync(join(folder, 'spool', `spool-${'0'.repeat(16)}`), 'half written');
    writeFileSync(join(folder, 'spool', 'spool-notes.txt'), 'an operator’s');
    const spool = new Spool({ folder: join(folder, 'spool'), bytesMax: 1e6 });
    spool.append(randomBytes(10));
    expect(readdirSync(join(folder, 'spool'))).toEqual(['spool-notes.txt']);
    spool.close();
  });

  test.for(['damage', 'truncate'] as const)(
    'spool: a frame that does not come back as it was is an error of its own (%s)',
    (how) => {
      const spool = new Spool({ folder, bytesMax: 1e6 });
      const places = [1, 2].map((seed) => spool.append(Buffer.alloc(20_000, seed)));
      for (const path of spoolFiles(folder)) alter(path, how);
      const read = places.map((place) => {
        try {
          return spool.read(place).length;
        } catch (error) {
          return error;
        }
      });
      expect(read.at(-1)).toMatchObject({ code: 'spool-unreadable', kind: 'retry' });
      spool.close();
    },
  );
});

describe('session over a spool that fails', () => {
  const block = (index: number) => {
    const bytes = randomBytes(BLOCK_BYTES);
    const digest = createHash('sha256').update(bytes).digest();
    return { type: 'block', node: 2, block: index, digest, bytes } as const;
  };
  const begin = {
    type: 'begin',
    sync: 1,
    parentPoint: 0,
    parentChain: Buffer.alloc(32),
    incarnation,
    startedMs: 1,
  } as const;

  test.for([
    { how: 'damage', ended: true },
    { how: 'truncate', ended: true },
    { how: 'damage', ended: false },
  ] as const)(
    'session: a sync whose frames do not read back is over, and the next goes through ($how, ended $ended)',
    async ({ how, ended }) => {
      const broker = createMemoryBroker();
      const rig = createRig({ connect: () => broker.connect() });
      try {
        const session = rig.session(rig.enrol('web'), { memoryBytesMax: 64 * 1024 });
        const seen = watchEvents(session);
        let position = firstPosition;
        await session.start(() => position);
        broker.down();
        await session.write(begin);
        for (let index = 0; index < 40; index += 1) await session.write(block(index));
        if (ended) {
          const end = { type: 'end', sync: 1, outcome: Buffer.from('{}') } as const;
          position = { ...position, ended: { sync: 1, manifest: session.manifestDigest(end) } };
          await session.write(end);
        }
        for (const path of spoolFiles(rig.folder)) alter(path, how);
        broker.up();
        const refused = await seen.next('refused');
        expect(refused).toMatchObject({ sync: 1, error: { code: 'spool-unreadable' } });
        await expect(session.write(block(99))).rejects.toMatchObject({ code: 'spool-unreadable' });
        position = firstPosition;
        session.drop();
        await writeSync(session, { number: 2, names: ['after'] });
        await seen.next('committed', (event) => event.sync === 2);
        expect(rig.port.committed).toEqual(['after']);
        expect(seen.events.some(({ type }) => type === 'sealed')).toBe(true);
      } finally {
        await rig.close();
      }
    },
  );
});
