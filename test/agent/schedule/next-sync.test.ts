/** When the next sync is due, by table. */
import { expect, test } from 'vitest';
import { learnScanMs, nextSyncMs, type SetTimes } from '../../../agent/schedule/next-sync.js';

const quiet: SetTimes = {
  startedMs: 1_000,
  last: { startedMs: 9_000, endedMs: 10_100 },
  scanMs: 100,
  changedMs: undefined,
  failures: 0,
  unsettled: 0,
  first: false,
};
const continuous = { type: 'continuous' } as const;

test.each<[string, SetTimes, number]>([
  ['at once, for a set without a point', { ...quiet, last: undefined, first: true }, 1_000],
  ['at once, after a start', { ...quiet, last: undefined }, 1_000],
  ['never, while nothing changes', quiet, Infinity],
  ['40 ms after the first change of a burst', { ...quiet, changedMs: 50_000 }, 50_040],
  ['not before three times what a scan takes', { ...quiet, changedMs: 10_050 }, 10_400],
  ['soon, after something unsettled', { ...quiet, unsettled: 1 }, 10_400],
  ['later and later, while unsettled', { ...quiet, unsettled: 6 }, 10_100 + 1_600],
  ['half a second after a failure', { ...quiet, failures: 1 }, 10_600],
  ['at most a minute after many failures', { ...quiet, failures: 50 }, 70_100],
])('schedule: a continuous set syncs %s', (_, times, due) => {
  expect(nextSyncMs(continuous, times)).toBe(due);
});

test('schedule: what changes right after a first copy does not wait for its length', () => {
  const copy = { found: 'changes', copied: 'everything', tookMs: 600_000 } as const;
  const scanMs = learnScanMs(undefined, copy);
  expect(nextSyncMs(continuous, { ...quiet, scanMs, changedMs: 10_100 })).toBe(10_140);
});

test.each([
  ['a sync that found nothing tells', 300, 'nothing', 'changes', 90, 90],
  ['one that found something took at least as long', 300, 'changes', 'changes', 900, 300],
  ['the first one is what is known', undefined, 'changes', 'changes', 900, 900],
  ['a comparison of everything tells nothing', 300, 'changes', 'everything', 1, 300],
] as const)('schedule: what a scan takes: %s', (_, knownMs, found, copied, tookMs, scanMs) => {
  expect(learnScanMs(knownMs, { found, copied, tookMs })).toBe(scanMs);
});

test('schedule: every and cron count from the start of the last sync', () => {
  expect(nextSyncMs({ type: 'every', everyMs: 60_000 }, quiet)).toBe(69_000);
  const noon = Date.parse('2026-03-01T12:00:30');
  const times = { ...quiet, last: { startedMs: noon, endedMs: noon + 5 } };
  const next = nextSyncMs({ type: 'cron', pattern: '*/5 * * * *' }, times);
  expect(new Date(next).toTimeString().slice(0, 8)).toBe('12:05:00');
});

test('schedule: a change does not hurry a set that has a schedule', () => {
  const changed = { ...quiet, changedMs: 10_200 };
  expect(nextSyncMs({ type: 'every', everyMs: 60_000 }, changed)).toBe(69_000);
});
