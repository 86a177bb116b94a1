/**
 * Mass changes through a real agent and a real replica: what encryptors do is an alarm with the last
 * calm point held, what does no harm is none. All classes, many seeds: the campaign
 * mass-changes, and docs/design/mass-change.md for margins.
 */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { campaign } from '../../fault/campaigns/mass-changes.js';
import { Seeded } from '../../support/seeded.js';
import { encrypted, encryptors, writeOffice } from '../support/change-scenes.js';
import { type ObservedSet, openObservedSet } from '../support/observed-set.js';

const SEED = Number(process.env['AFTERIMAGE_SEED'] ?? 20_260_105);

let set: ObservedSet;

beforeEach(async () => {
  set = await openObservedSet();
});

afterEach(async () => {
  await set.close();
});

test('mass change: every class of encryptors is an alarm, and no harmless one is (a taste of the campaign)', async () => {
  const lines: string[] = [];
  const outcomes = await campaign.run({
    seed: SEED,
    budget: 0.05,
    log: (line) => lines.push(line),
  });
  expect(outcomes.length).toBeGreaterThan(15);
  expect(
    outcomes.filter(({ wrong }) => wrong > 0),
    lines.join('\n'),
  ).toEqual([]);
}, 120_000);

describe('mass change: the alarm', () => {
  async function encryptSome(files: readonly string[]): Promise<void> {
    for (const file of files) encryptors['in place, then a new ending']?.(file);
    await set.sync();
  }

  test('the last calm point is held until the alarm is released, and a repeated alarm finds its own', async () => {
    const files = writeOffice(set.root, new Seeded(SEED), 60);
    const calm = await set.sync();
    await encryptSome(files.slice(0, 20));
    const alarm = set.alarm();
    expect(set.holds()).toMatchObject([{ hold: alarm?.facts.hold, point: calm }]);
    await encryptSome(files.slice(20, 30));
    expect(set.alarm()?.id).toBe(alarm?.id);
    expect(set.holds()).toHaveLength(1);

    set.desk.acknowledge(alarm?.id ?? '', { by: 'me', action: 'keep' });
    expect(set.alarm()).toBeUndefined();
    expect(set.holds()).toHaveLength(1);
    await set.sync();
    await encryptSome(files.slice(30, 50));
    const second = set.alarm();
    expect(second?.facts.calmPoint).toBeGreaterThan(calm);
    set.desk.acknowledge(second?.id ?? '', { by: 'me', action: 'release' });
    expect(set.holds()).toMatchObject([{ point: calm }]);
  });

  test('a slow encryptor, three files a minute and a sync each, is one within five minutes; the point before its first file is held', async () => {
    const random = new Seeded(SEED);
    const files = writeOffice(set.root, random, 80);
    const calm = await set.sync();
    let minutes = 0;
    for (const file of files) {
      encryptors['new file, old one deleted']?.(file);
      await set.sync(20_000);
      minutes += 1 / 3;
      if (set.alarm() !== undefined) break;
    }
    expect(minutes).toBeLessThan(5);
    expect(set.alarm()?.facts.calmPoint).toBe(calm);
  });

  test('two phases, all encrypted first and all originals deleted later, are one with the second', async () => {
    const files = writeOffice(set.root, new Seeded(SEED), 60);
    const calm = await set.sync();
    for (const [at, file] of files.entries())
      fs.writeFileSync(path.join(set.root, `x${at}`), encrypted(fs.readFileSync(file)));
    await set.sync();
    expect(set.alarm()).toBeUndefined();
    for (const file of files) fs.unlinkSync(file);
    await set.sync(60_000);
    expect(set.alarm()?.facts.calmPoint).toBeGreaterThanOrEqual(calm);
  });

  test('a long sync is one while it is received, before there is a point that has it', async () => {
    const files = writeOffice(set.root, new Seeded(SEED), 200);
    const calm = await set.sync();
    const firstPoints: unknown[] = [];
    set.desk.onEvent(({ facts }) => firstPoints.push(facts.firstPoint));
    for (const file of files) encryptors['in place']?.(file);
    set.tick(6_000);
    await set.sync();
    expect(firstPoints[0]).toBeNull();
    expect(set.alarm()?.facts).toMatchObject({ calmPoint: calm, firstPoint: calm + 1 });
    expect(set.holds()).toHaveLength(1);
  });

  test('a set of one database is one when its file is encrypted', async () => {
    const file = path.join(set.root, 'all.db');
    fs.writeFileSync(
      file,
      Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(3_000_000, 'a row, ')]),
    );
    const calm = await set.sync();
    encryptors['in place']?.(file);
    await set.sync();
    expect(set.alarm()?.facts.calmPoint).toBe(calm);
  });
});
