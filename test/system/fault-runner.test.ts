/** The runner of the fault campaigns: what it is asked, how it divides time, and the record it keeps. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseArguments } from '../fault/arguments.js';
import type { Outcome } from '../fault/campaign.js';
import {
  addOutcomes,
  type CampaignRecord,
  formatOutcomes,
  formatRecords,
  isClean,
  mergeRecords,
  parseRecords,
} from '../fault/report.js';
import { nextBudget, type RoundRequest, runCampaigns } from '../fault/run-campaigns.js';

const mainFile = fileURLToPath(new URL('../../dist/test/fault/main.js', import.meta.url));
const clean: Outcome = { kind: 'kill -9', tried: 5, survived: 5, lost: 0, wrong: 0 };

function recordOf(campaign: string, more: Partial<CampaignRecord> = {}): CampaignRecord {
  return {
    campaign,
    date: '2026-11-23',
    commit: 'abc1234',
    seed: 7,
    budget: 0.25,
    machine: '2 cores (some processor, 2.0 GHz), 8 GiB, Linux 6.1.0, Node v20.20.0, ext4',
    cutShort: false,
    outcomes: [clean],
    ...more,
  };
}

describe('fault record', () => {
  test('record: reads back as it was written, whatever a reason says', () => {
    const skipped = { kind: 'odd \\ | kind', tried: 0, survived: 0, lost: 0, wrong: 0 };
    const records = [
      recordOf('kills', { cutShort: true, commit: 'abc1234 with changes' }),
      recordOf('wire', { outcomes: [clean, { ...skipped, skipped: 'no `cc` | \\| at all' }] }),
      recordOf('nothing', { outcomes: [] }),
    ];
    expect(parseRecords(formatRecords(records))).toEqual(records);
    expect(formatRecords(parseRecords(formatRecords(records)))).toBe(formatRecords(records));
  });

  test('record: a page that it did not write is not read as if it were', () => {
    expect(() => parseRecords('# Faults\n\n## kills\n\nfine\n')).toThrow(/kills/);
    const page = formatRecords([recordOf('kills')]).replace('| 5 |', '| five |');
    expect(() => parseRecords(page)).toThrow(/five/);
  });

  test('merging: a campaign that was not run keeps its rows, date and commit', () => {
    const before = [recordOf('fuzz'), recordOf('kills', { outcomes: [{ ...clean, lost: 1 }] })];
    const now = [recordOf('kills', { date: '2027-01-02', commit: 'def' }), recordOf('disk')];
    expect(mergeRecords(before, now)).toEqual([now[1], before[0], now[0]]);
  });

  test('outcomes: rounds add up kind by kind, and a kind that was tried at last is not skipped', () => {
    const none = { kind: 'cut', tried: 0, survived: 0, lost: 0, wrong: 0, skipped: 'no device' };
    const some = { kind: 'cut', tried: 4, survived: 2, lost: 1, wrong: 1 };
    expect(addOutcomes([clean, none], [some, clean])).toEqual([
      { kind: 'kill -9', tried: 10, survived: 10, lost: 0, wrong: 0 },
      some,
    ]);
    expect(addOutcomes([none], [none])).toEqual([none]);
  });

  test('clean: not when something was lost or wrong, did not go on, or was cut short', () => {
    const of = (more: Partial<Outcome>): CampaignRecord[] => [
      recordOf('a'),
      recordOf('b', { outcomes: [{ ...clean, ...more }] }),
    ];
    expect(isClean(of({}))).toBe(true);
    expect(isClean(of({ lost: 1 }))).toBe(false);
    expect(isClean(of({ wrong: 1 }))).toBe(false);
    expect(isClean(of({ survived: 4 }))).toBe(false);
    expect(isClean([recordOf('a', { cutShort: true })])).toBe(false);
  });

  test('table: has a row for each kind, and one for a campaign that ended early', () => {
    const lines = formatOutcomes([recordOf('kills', { cutShort: true })]).split('\n');
    expect(lines[0]).toMatch(
      /^campaign +kind of fault +tried +survived +lost +wrong +skipped because/,
    );
    expect(lines[1]).toMatch(/^kills +kill -9 +5 +5 +0 +0/);
    expect(lines[2]).toMatch(/^kills +ended early/);
  });
});

describe('fault arguments', () => {
  const known = ['disk', 'kills'];

  test('arguments: all campaigns in full when nothing is said', () => {
    expect(parseArguments([], known)).toEqual({
      campaigns: known,
      seed: 1,
      budget: 1,
      output: 'record',
    });
  });

  test('arguments: minutes, seed, budget and names are taken', () => {
    const args = ['--minutes', '2.5', '--seed', '42', '--only', 'kills', '--budget', '0.1'];
    expect(parseArguments([...args, '--json'], known)).toEqual({
      campaigns: ['kills'],
      seed: 42,
      budget: 0.1,
      minutes: 2.5,
      output: 'json',
    });
  });

  test.each([
    ['--minutes', '0'],
    ['--minutes', 'many'],
    ['--seed', '-1'],
    ['--seed', '1.5'],
    ['--budget', ''],
    ['--only', 'kills,nosuch'],
    ['--often', '3'],
  ])('arguments: %s %j is refused', (name, value) => {
    expect(() => parseArguments([`${name}=${value}`], known)).toThrow();
  });

  test('main: ends with 2 and says what there is for a campaign that is not there', () => {
    const { status, stderr } = spawnSync(process.execPath, [mainFile, '--only', 'nosuch'], {
      encoding: 'utf8',
    });
    expect(stderr).toContain('there is no campaign nosuch; there are ');
    expect(status).toBe(2);
  });
});

describe('fault runner', () => {
  /** Campaigns that take 10 minutes for the full amount each, on a clock of their own. */
  function rig(options: { readonly minutes?: number; readonly budget?: number }) {
    let nowMs = 5000;
    const rounds: RoundRequest[] = [];
    const log: string[] = [];
    const runs = runCampaigns({
      budget: 1,
      ...options,
      campaigns: ['bad', 'good'],
      seed: 3,
      monotonic: () => nowMs,
      log: (line) => log.push(line),
      runRound: (request) => {
        rounds.push(request);
        nowMs += request.budget * 600_000;
        if (request.campaign === 'bad' && rounds.length === 2)
          return Promise.reject(new Error('!'));
        return Promise.resolve([clean]);
      },
    });
    return { runs, rounds, log, spentMs: () => nowMs - 5000 };
  }

  test('runner: without minutes each campaign runs its budget at once', async () => {
    const { runs, rounds } = rig({ budget: 0.3 });
    await runs;
    expect(rounds).toEqual([
      { campaign: 'bad', seed: 3, budget: 0.3 },
      { campaign: 'good', seed: 3, budget: 0.3 },
    ]);
  });

  test('runner: a campaign that throws keeps what it had, says why, and the next one runs', async () => {
    const { runs, log } = rig({ minutes: 4 });
    const [bad, good] = await runs;
    expect(bad).toMatchObject({ campaign: 'bad', budget: 0.01, outcomes: [clean] });
    expect(bad?.error).toEqual(new Error('!'));
    expect(good?.error).toBeUndefined();
    expect(good?.budget).toBeGreaterThan(0.3);
    expect(log.join('\n')).toContain('bad: Error: !');
  });

  test('runner: rounds with seeds of their own fill the minutes, and not much more', async () => {
    const { runs, rounds, spentMs } = rig({ minutes: 4 });
    await runs;
    expect(spentMs()).toBeGreaterThan(3.5 * 60_000);
    expect(spentMs()).toBeLessThan(4.05 * 60_000);
    expect(new Set(rounds.map(({ campaign, seed }) => `${campaign} ${seed}`)).size).toBe(
      rounds.length,
    );
  });

  test('runner: nothing is tried beyond the budget, however much time there is', async () => {
    const { runs } = rig({ minutes: 1000, budget: 0.5 });
    const [, good] = await runs;
    expect(good?.budget).toBeCloseTo(0.5, 9);
  });

  test('runner: no round follows that would end after the time', () => {
    const at = { budget: 1, done: 0.01, ms: 60_000 };
    expect(nextBudget({ ...at, spentMs: 70_000 })).toBe(0);
    expect(nextBudget({ ...at, spentMs: 50_000 })).toBe(0);
    expect(nextBudget({ ...at, spentMs: 10_000 })).toBeCloseTo(0.04, 9);
    expect(nextBudget({ ...at, done: 1, spentMs: 10_000 })).toBe(0);
  });
});
