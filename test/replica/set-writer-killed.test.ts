import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Seeded } from '../support/seeded.js';
import { differences, readPoint } from '../model/full-copy.js';
import { ModelHistory } from '../model/history.js';
import { openModelSet } from '../model/open-set.js';

const child = fileURLToPath(
  new URL('../../dist/test/replica/support/kill-child.js', import.meta.url),
);
const SYNCS = 40;
const kills = Number(process.env['KILLS'] ?? 8);
const seed = Number(process.env['SEED'] ?? 77);

/** Runs the child for a while and kills it; true when it came to its end before. */
async function runAndKill(folder: string, afterMs: number): Promise<boolean> {
  const running = spawn(process.execPath, [child, folder, String(seed), String(SYNCS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => running.once('exit', resolve));
  await Promise.race([new Promise((resolve) => running.stdout.once('data', resolve)), exited]);
  await Promise.race([delay(afterMs), exited]);
  running.kill('SIGKILL');
  return (await exited) === 0;
}

test(
  `set writer: every point reads back after each of ${kills} kills (seed ${seed})`,
  { timeout: 120_000 },
  async () => {
    expect(existsSync(child), 'the test room is built').toBe(true);
    const folder = mkdtempSync(path.join(os.tmpdir(), 'afterimage-kill-'));
    const random = new Seeded(seed);
    try {
      let points = 0;
      for (let kill = 1; kill <= kills; kill += 1) {
        const finished = await runAndKill(folder, random.below(400));
        const { store, writer, close } = await openModelSet(folder);
        const { point } = writer.position();
        expect(point, 'no point is lost').toBeGreaterThanOrEqual(points);
        points = point;
        const history = new ModelHistory(seed);
        while (history.copies.length < point) history.next({ point: 0, chain: Buffer.alloc(32) });
        for (const [index, copy] of history.copies.entries()) {
          expect(
            differences(await readPoint(store, index + 1), copy),
            `kill ${kill}, point ${index + 1}`,
          ).toEqual([]);
        }
        if (writer.position().staged === null) {
          for (const part of ['new', 'park'])
            expect(readdirSync(path.join(folder, part)), part).toEqual([]);
        }
        await close();
        if (finished) break;
      }
      expect(points).toBeGreaterThan(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
