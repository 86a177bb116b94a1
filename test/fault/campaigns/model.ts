/**
 * The reference model at length (R1–R10, promises 1–3): random histories of a set with a process that
 * dies, a power cut or a full disk at random steps of syncs, of recoveries from them and of the removal
 * of points; and one sync that does everything, struck at each of its steps. After every trouble all
 * points are read back. A seed that goes wrong is cut down to a short script, which is logged.
 */
import { everyKind } from '../../model/every-kind.js';
import { powerAt, strikeEveryStep } from '../../model/every-step.js';
import { runScript } from '../../model/run-script.js';
import { printScript, randomScript, type Script, type Trouble } from '../../model/script.js';
import { shrink } from '../../model/shrink.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';

const SEEDS = 2000;
const FAILURES_SHOWN = 5;

const kinds = {
  kill: 'model: the process killed between two steps',
  power: 'model: the power cut, some of what was not flushed kept',
  full: 'model: the disk full once',
} as const;

class Tally {
  readonly #tried: Record<Trouble['how'], number> = { kill: 0, power: 0, full: 0 };
  readonly #wrong: Record<Trouble['how'], number> = { kill: 0, power: 0, full: 0 };
  readonly #lost: Record<Trouble['how'], number> = { kill: 0, power: 0, full: 0 };
  failures = 0;
  pointsRead = 0;

  struck(how: Trouble['how'], times: number): void {
    this.#tried[how] += times;
  }

  failed(how: Trouble['how'], wrong: string): void {
    this.failures += 1;
    if (/is gone|promise 1|R11/.test(wrong)) this.#lost[how] += 1;
    else this.#wrong[how] += 1;
  }

  outcomes(): Outcome[] {
    return (['kill', 'power', 'full'] as const).map((how) => {
      const [tried, lost, wrong] = [this.#tried[how], this.#lost[how], this.#wrong[how]];
      return { kind: kinds[how], tried, survived: tried - lost - wrong, lost, wrong };
    });
  }
}

export const campaign: Campaign = {
  name: 'model',
  run: async (options) => {
    const tally = new Tally();
    const seeds = Math.max(1, Math.round(SEEDS * options.budget));
    for (let seed = options.seed; seed < options.seed + seeds; seed += 1)
      await runSeed(seed, options, tally);
    if (options.budget >= 0.05) await runEveryStep(options, tally);
    options.log(`model: ${seeds} seeds, points read back ${tally.pointsRead} times`);
    return tally.outcomes();
  },
};

async function runSeed(seed: number, options: CampaignOptions, tally: Tally): Promise<void> {
  const script = randomScript(seed);
  const { wrong, counts } = await runScript(script);
  tally.pointsRead += counts.pointsRead;
  for (const { trouble } of counts.strikes) tally.struck(trouble.how, 1);
  if (wrong === undefined) return;
  const last = counts.strikes.at(-1)?.trouble.how ?? 'kill';
  if (counts.strikes.length === 0) tally.struck(last, 1);
  tally.failed(last, wrong);
  if (tally.failures > FAILURES_SHOWN) return;
  options.log(`model: seed ${seed}: ${wrong}`);
  const small = await shrink(script);
  show(options, `model: seed ${seed}: ${small.wrong}`, small.script);
}

async function runEveryStep(options: CampaignOptions, tally: Tally): Promise<void> {
  const troubles = {
    kill: (step: number): Trouble => ({ how: 'kill', step }),
    power: powerAt,
    full: (step: number): Trouble => ({ how: 'full', step }),
  };
  for (const how of ['kill', 'power', 'full'] as const) {
    const { struck, failure } = await strikeEveryStep(everyKind, troubles[how]);
    tally.struck(how, struck.length + (failure === undefined ? 0 : 1));
    if (failure === undefined) continue;
    tally.failed(how, failure.wrong);
    show(options, `model: every step: ${failure.wrong}`, failure.script);
  }
}

function show(options: CampaignOptions, what: string, script: Script): void {
  options.log(`${what}\n${printScript(script)}`);
}
