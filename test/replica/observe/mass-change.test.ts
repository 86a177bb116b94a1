/** The judge of mass changes as a function: what adds up, what is forgotten, and what is usual. */
import { expect, test } from 'vitest';
import {
  atLeast,
  freshMassState,
  HALF_LIFE_MS,
  judgeSync,
  type MassState,
  settledState,
  type SyncSigns,
} from '../../../replica/observe/mass-change.js';
import { chiSquareOf, classifyBytes } from '../../../replica/observe/classify-bytes.js';
import { encrypted, textOf } from '../support/change-scenes.js';
import { Seeded } from '../../support/seeded.js';

const NONE = { hits: 0, sampled: 0, population: 0 };
const HOUR_MS = 3600_000;
let syncs = 0;

function signs(given: Partial<SyncSigns> = {}): SyncSigns {
  syncs += 1;
  return {
    sync: `s/${syncs}`,
    parentPoint: syncs,
    files: 1000,
    turned: NONE,
    stirred: NONE,
    appeared: { ...NONE, sizes: [] },
    vanished: { ...NONE, sizes: [] },
    packed: { ...NONE, kinds: [] },
    ending: undefined,
    note: undefined,
    turnedShare: 0,
    examples: [],
    ...given,
  };
}

const turned = (hits: number, population = hits): Partial<SyncSigns> => ({
  turned: { hits, sampled: Math.min(128, population), population },
});

/** Syncs every `everyMs`, each turning so many files, until the alarm; the time it took, or undefined. */
function untilAlarm(each: Partial<SyncSigns>, everyMs: number, mostMs: number): number | undefined {
  let state: MassState = freshMassState;
  for (let nowMs = HOUR_MS; nowMs <= HOUR_MS + mostMs; nowMs += everyMs) {
    const judged = judgeSync(state, signs(each), nowMs);
    if (judged.verdict.score >= 1) return nowMs - HOUR_MS;
    state = judged.state;
  }
  return undefined;
}

test('mass change: ten files are an alarm at once, nine are none, and of a small set a quarter', () => {
  const score = (hits: number, files: number): number =>
    judgeSync(freshMassState, signs({ ...turned(hits), files }), HOUR_MS).verdict.score;
  expect(score(10, 1000)).toBeGreaterThanOrEqual(1);
  expect(score(9, 1000)).toBeLessThan(1);
  expect(score(5, 20)).toBeGreaterThanOrEqual(1);
  expect(score(4, 20)).toBeLessThan(1);
  expect(score(2, 4)).toBeLessThan(1);
});

test('mass change: a slow encryptor of two files a minute is an alarm within five minutes, of four an hour never', () => {
  expect(untilAlarm(turned(1), 30_000, HOUR_MS)).toBeLessThanOrEqual(5 * 60_000);
  expect(untilAlarm(turned(1), HOUR_MS / 4, 100 * HOUR_MS)).toBeDefined();
  expect(untilAlarm(turned(1), HOUR_MS / 3, 1000 * HOUR_MS)).toBeUndefined();
});

test('mass change: the calm point is the one before the first of it, and moves on once that is forgotten', () => {
  const first = judgeSync(freshMassState, signs(turned(2)), HOUR_MS);
  const parentPoint = first.state.calmPoint;
  const second = judgeSync(first.state, signs(turned(9)), HOUR_MS + 60_000);
  expect(second.verdict).toMatchObject({ calmPoint: parentPoint });
  expect(second.verdict.score).toBeGreaterThanOrEqual(1);
  const later = judgeSync(first.state, signs(turned(9)), HOUR_MS + 4 * HALF_LIFE_MS);
  expect(later.verdict.calmPoint).toBe(syncs);
});

test('mass change: a sync that is looked at twice counts once', () => {
  const sync = signs(turned(6));
  const once = judgeSync(freshMassState, sync, HOUR_MS);
  expect(judgeSync(once.state, sync, HOUR_MS + 1000).verdict.score).toBeLessThan(1);
});

test('mass change: what an operator says is usual is no alarm again, and four times as much is', () => {
  const first = judgeSync(freshMassState, signs(turned(30)), HOUR_MS);
  const state = settledState(first.state, { isUsual: true });
  expect(judgeSync(state, signs(turned(30)), 2 * HOUR_MS).verdict.score).toBeLessThan(1);
  expect(judgeSync(state, signs(turned(130)), 2 * HOUR_MS).verdict.score).toBeGreaterThanOrEqual(1);
  const kept = settledState(first.state, { isUsual: false });
  expect(judgeSync(kept, signs(turned(30)), 2 * HOUR_MS).verdict.score).toBeGreaterThanOrEqual(1);
});

test('mass change: files that vanish long after their encrypted copies came are paired by size', () => {
  const sizes = Array.from({ length: 40 }, (_, at) => 5_000 + at * 7_000);
  const all = { hits: 40, sampled: 40, population: 40 };
  const copies = judgeSync(
    freshMassState,
    signs({ appeared: { ...all, sizes: sizes.map((size) => size + 16) } }),
    HOUR_MS,
  );
  expect(copies.verdict.score).toBe(0);
  const gone = judgeSync(copies.state, signs({ vanished: { ...all, sizes } }), HOUR_MS + 600_000);
  expect(gone.verdict.score).toBeGreaterThanOrEqual(1);
  const others = { vanished: { ...all, sizes: sizes.map((size) => size * 3 + 500_000) } };
  expect(judgeSync(copies.state, signs(others), HOUR_MS + 600_000).verdict.score).toBe(0);
});

test('mass change: a few hits among a sample of many say no more than themselves', () => {
  expect(atLeast({ hits: 1, sampled: 128, population: 20_000 })).toBe(1);
  expect(atLeast({ hits: 4, sampled: 128, population: 20_000 })).toBe(4);
  expect(atLeast({ hits: 64, sampled: 128, population: 20_000 })).toBeGreaterThan(7_000);
});

test('bytes: AES is random at every length, text and tables are not (20 seeds)', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = new Seeded(seed);
    for (const length of [48, 100, 512, 4096, 65_536]) {
      const text = textOf(random, length);
      const of = (bytes: Buffer): string => classifyBytes(bytes, { start: true }).bytes;
      expect(of(text), `seed ${seed}, ${length} bytes`).toBe('readable');
      const secret = encrypted(text);
      expect(of(secret), `seed ${seed}, ${length} bytes, ${chiSquareOf(secret)}`).toBe('random');
    }
  }
});
