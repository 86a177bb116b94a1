/** Whenever the replica dies, each point and removal is certified once (R26, promise 3). */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readEntry } from '../../../shared/certificate/certificate.js';
import { ChainVerifier } from '../../../shared/certificate/verify-chain.js';
import { Seeded } from '../../support/seeded.js';
import { type CertifiedSet, openCertifiedSet, SET } from './support/certified-set.js';

const child = fileURLToPath(
  new URL('../../../dist/test/replica/certify/support/certify-child.js', import.meta.url),
);
const SYNCS = 40;
const kills = Number(process.env['KILLS'] ?? 5);
const seed = Number(process.env['SEED'] ?? 78);

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

function problemsOf({ certifier }: CertifiedSet, key: string): readonly object[] {
  const verifier = new ChainVerifier({ key });
  for (const line of certifier.export(SET)) verifier.take(JSON.stringify(line));
  return verifier.end().problems;
}

/** Points that a chain says exist: certified, each once, and not removed. */
function certifiedPoints({ log }: CertifiedSet): number[] {
  const points: number[] = [];
  for (const { text } of log.entries(SET, log.end(SET).sequence)) {
    const { facts } = readEntry(text);
    if (facts.kind === 'point') points.push(facts.point);
    if (facts.kind === 'removal') {
      for (const [first, last] of facts.points)
        for (let point = first; point <= last; point += 1) points.splice(points.indexOf(point), 1);
    }
  }
  return points;
}

test(
  `certifier: nothing is lost or written twice after each of ${kills} kills (seed ${seed})`,
  { timeout: 120_000 },
  async () => {
    expect(existsSync(child), 'the test room is built').toBe(true);
    const folder = mkdtempSync(path.join(os.tmpdir(), 'afterimage-certify-kill-'));
    const random = new Seeded(seed);
    let firstKey: string | undefined;
    try {
      for (let kill = 1; kill <= kills; kill += 1) {
        const finished = await runAndKill(folder, random.below(500));
        const set = await openCertifiedSet(folder);
        firstKey ??= set.certifier.publicKey;
        set.store.certify();
        const points = set.store.index.all<{ point: number }>('SELECT point FROM point');
        expect(certifiedPoints(set), `kill ${kill}`).toEqual(points.map(({ point }) => point));
        expect(problemsOf(set, set.certifier.publicKey), `kill ${kill}`).toEqual([]);
        expect(problemsOf(set, firstKey), `kill ${kill}, first key`).toEqual([]);
        await set.close();
        if (finished) break;
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
