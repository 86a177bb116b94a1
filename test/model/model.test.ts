/**
 * The product's own index, apply, redo, reading and removal of points against full copies held in
 * memory, with the process killed, the power cut and the disk full at any step (R1–R10, promises 1–3).
 *
 * SEED=n runs one seed, SEEDS=n that many from there on, SCRIPT=file a script as a failure prints it,
 * SHRINK=0 tells a failure as it is.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { campaign } from '../fault/campaigns/model.js';
import { everyKind, everyKindOfRemoval } from './every-kind.js';
import { killOrPowerAt, strikeEveryStep } from './every-step.js';
import { foundScripts } from './found-scripts.js';
import { runScript } from './run-script.js';
import { parseScript, printScript, randomScript, type Script } from './script.js';
import { shrink } from './shrink.js';

const given = process.env['SCRIPT'];
const first = Number(process.env['SEED'] ?? 1);
const seeds = Number(process.env['SEEDS'] ?? (process.env['SEED'] === undefined ? 50 : 1));
const last = first + seeds - 1;

/** Runs a script; when it goes wrong, fails with a short one that goes wrong too. */
async function expectRight(script: Script, name: string): Promise<void> {
  const { wrong } = await runScript(script);
  if (wrong === undefined) return;
  if (process.env['SHRINK'] === '0') expect.fail(`${name}: ${wrong}`);
  const small = await shrink(script);
  expect.fail(
    `${name}: ${wrong}\nCUT DOWN: ${small.wrong}\nSCRIPT, a step a line:\n${printScript(small.script)}\n`,
  );
}

function kindsOf(struck: readonly string[]): string[] {
  return [...new Set(struck.map((step) => step.replace(/#\d+$/, '')))];
}

describe('model: every point reads back, the base is the newest, and nothing lies about', () => {
  test.runIf(given === undefined)(
    `after troubles at random steps, seeds ${first} to ${last}`,
    { timeout: 60_000 + seeds * 5000 },
    async () => {
      for (let seed = first; seed <= last; seed += 1)
        await expectRight(randomScript(seed), `seed ${seed}`);
    },
  );

  test.runIf(given !== undefined)(`after the script ${given ?? ''}`, async () => {
    const { wrong, trace } = await runScript(parseScript(readFileSync(given ?? '', 'utf8')));
    console.info(trace.join('\n'));
    expect(wrong).toBeUndefined();
  });

  test.each(Object.entries(foundScripts))('as it did not once: %s', async (name, script) => {
    await expectRight(script, name);
  });

  test(
    'after a kill or a power cut at each step of a sync that does everything',
    { timeout: 300_000 },
    async () => {
      const { failure, struck } = await strikeEveryStep(everyKind, killOrPowerAt);
      expect(failure?.wrong).toBeUndefined();
      expect(kindsOf(struck)).toEqual(expect.arrayContaining(applySteps));
    },
  );

  test('after a kill or a power cut at each step of the removal of points', async () => {
    const { failure, struck } = await strikeEveryStep(everyKindOfRemoval, killOrPowerAt);
    expect(failure?.wrong).toBeUndefined();
    expect(kindsOf(struck)).toEqual(
      expect.arrayContaining(['commit index.db', 'unlink attic', 'write packs', 'unlink packs']),
    );
  });

  test('in a taste of the fault campaign', async () => {
    const outcomes = await campaign.run({ seed: 9000, budget: 0.002, log: () => undefined });
    for (const { kind, tried, survived, lost, wrong } of outcomes)
      expect({ kind, survived, lost, wrong }).toEqual({ kind, survived: tried, lost: 0, wrong: 0 });
  });
});

/** What the sync that does everything must have been struck at. */
const applySteps = [
  'commit index.db',
  'commit intent',
  'flush all',
  'flush packs',
  'link base',
  'mkdir base',
  'rename base to park',
  'rename new to base',
  'rename park to attic',
  'rename park to base',
  'size base',
  'symlink base',
  'times base',
  'write base',
  'write intent',
  'write new',
  'write packs',
  'unlink park',
];

describe('model: a script that goes wrong', () => {
  test('is cut down to what makes it so, its trouble named by where it struck', async () => {
    const script = randomScript(3);
    const run = (steps: Script): ReturnType<Parameters<typeof shrink>[1] & object> => {
      const trouble = steps
        .flatMap((step) => (step.do === 'sync' ? step.troubles : []))
        .find(({ how }) => how === 'power');
      const writes = steps.some((step) => step.do === 'write');
      return Promise.resolve({
        wrong: trouble !== undefined && writes ? 'wrong' : undefined,
        step: steps.length - 1,
        counts: { strikes: trouble === undefined ? [] : [{ trouble, step: 'flush all#2' }] },
      });
    };
    const small = await shrink([...script, ...script], run);
    expect(small.script.map((step) => step.do).sort()).toEqual(['sync', 'write']);
    expect(small.script).toContainEqual(
      expect.objectContaining({
        troubles: [expect.objectContaining({ name: 'flush all', nth: 2 })],
      }),
    );
    expect(parseScript(printScript(small.script))).toEqual(small.script);
  });
});
