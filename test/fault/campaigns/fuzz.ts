/**
 * A million inputs that are almost right, for everything that decodes the bytes of somebody else
 * (promise 8, R23; protocol.md "bounded and checked"): every one is taken or refused by an error of
 * the catalogue, soon, and without memory beyond a bound. Inputs that reach code which no input
 * before them reached are kept and altered further.
 */
import { getHeapStatistics } from 'node:v8';
import vm from 'node:vm';
import { AfterimageError, catalogue, messageOf } from '../../../shared/errors.js';
import { Seeded } from '../../support/seeded.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { Coverage } from '../support/coverage.js';
import { type FuzzTarget, fuzzTargets } from '../support/fuzz-targets.js';
import { mutateBytes, mutateJson } from '../support/mutate.js';

const INPUTS = 1_000_000;
const BATCH = 250;
/** No input may take longer, ms; looked at again when the machine may have been busy. */
const INPUT_MS_MAX = 400;
/** A batch that takes longer hangs. */
const BATCH_MS_MAX = 60_000;
const KEPT_MAX = 400;
const GUIDED_BUDGET_MIN = 0.05;
const AGAIN = 5;

interface Finding {
  readonly why: string;
  readonly input: Buffer;
}

interface Tally {
  tried: number;
  refused: number;
  worstMs: number;
  worstGrowthBytes: number;
  readonly findings: Finding[];
}

export const campaign: Campaign = {
  name: 'fuzz',
  run: async (options) => {
    // Asking V8 what was run makes everything slower: a taste does without.
    const coverage = options.budget < GUIDED_BUDGET_MIN ? undefined : await Coverage.start();
    try {
      const targets = fuzzTargets(options.seed);
      const each = Math.max(BATCH, Math.ceil((INPUTS * options.budget) / targets.length));
      const outcomes: Outcome[] = [];
      for (const target of targets) {
        outcomes.push(await fuzzTarget(target, { ...options, inputs: each, coverage }));
      }
      return outcomes;
    } finally {
      await coverage?.stop();
    }
  },
};

interface TargetOptions extends CampaignOptions {
  readonly inputs: number;
  readonly coverage: Coverage | undefined;
}

async function fuzzTarget(target: FuzzTarget, options: TargetOptions): Promise<Outcome> {
  const { coverage, inputs, seed } = options;
  const random = new Seeded(seed);
  const tally: Tally = { tried: 0, refused: 0, worstMs: 0, worstGrowthBytes: 0, findings: [] };
  for (const input of target.corpus) target.take(input);
  coverage?.remember(await coverage.news());
  const kept = [...target.corpus];
  while (tally.tried < inputs) {
    const batch = Array.from({ length: BATCH }, () => altered(random, target, kept));
    takeBatch(target, batch, tally);
    if (coverage === undefined) continue;
    const news = await coverage.news();
    if (news.length > 0 && kept.length < KEPT_MAX)
      kept.push(...(await whichReach(target, batch, coverage)));
    coverage.remember(news);
  }
  const wrong = tally.findings.length;
  for (const { why, input } of tally.findings.slice(0, 5)) {
    options.log(`${target.name}, seed ${seed}: ${why}: ${input.subarray(0, 400).toString('hex')}`);
  }
  options.log(
    `${target.name}: ${tally.tried} inputs, ${tally.refused} refused, ${kept.length - target.corpus.length} kept, ` +
      `slowest ${tally.worstMs.toFixed(1)} ms, largest growth ${(tally.worstGrowthBytes / 1e6).toFixed(2)} MB`,
  );
  return {
    kind: `mutated ${target.name}`,
    tried: tally.tried,
    survived: tally.tried - wrong,
    lost: 0,
    wrong,
  };
}

function altered(random: Seeded, target: FuzzTarget, kept: readonly Buffer[]): Buffer {
  const [input, other] = [random.pick(kept), random.pick(kept)];
  const bytes =
    target.kind === 'json' ? mutateJson(random, input, other) : mutateBytes(random, input, other);
  return target.repair?.(bytes, random) ?? bytes;
}

/** Runs a batch where even an endless loop ends. */
function takeBatch(target: FuzzTarget, batch: readonly Buffer[], tally: Tally): void {
  let at = 0;
  const run = (): void => {
    for (; at < batch.length; at += 1) {
      const input = batch[at];
      if (input !== undefined) takeOne(target, input, tally);
    }
  };
  while (at < batch.length) {
    try {
      vm.runInContext('run()', vm.createContext({ run }), { timeout: BATCH_MS_MAX });
    } catch (error) {
      const input = batch[at] ?? Buffer.alloc(0);
      tally.findings.push({ why: `hangs, or escapes: ${messageOf(error)}`, input });
      at += 1;
    }
  }
}

function takeOne(target: FuzzTarget, input: Buffer, tally: Tally): void {
  tally.tried += 1;
  let cost = measured(target, input);
  for (let again = 0; again < AGAIN && isOver(target, cost); again += 1) {
    // A collection, or another process, may have come in between.
    const next = measured(target, input);
    cost = {
      ...next,
      ms: Math.min(cost.ms, next.ms),
      growthBytes: Math.min(cost.growthBytes, next.growthBytes),
    };
  }
  tally.worstMs = Math.max(tally.worstMs, cost.ms);
  tally.worstGrowthBytes = Math.max(tally.worstGrowthBytes, cost.growthBytes);
  if (cost.error !== undefined) tally.refused += 1;
  const why = wrongWith(target, cost);
  if (why !== undefined) tally.findings.push({ why, input });
}

interface Cost {
  readonly ms: number;
  readonly growthBytes: number;
  readonly error: unknown;
}

function measured(target: FuzzTarget, input: Buffer): Cost {
  const before = bytesHeld();
  const startMs = performance.now();
  let error: unknown;
  try {
    target.take(input);
  } catch (thrown) {
    error = thrown;
  }
  return { ms: performance.now() - startMs, growthBytes: bytesHeld() - before, error };
}

function bytesHeld(): number {
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

function isOver(target: FuzzTarget, { ms, growthBytes }: Cost): boolean {
  return ms > INPUT_MS_MAX || growthBytes > target.growthBytesMax;
}

function wrongWith(target: FuzzTarget, cost: Cost): string | undefined {
  const { error, ms, growthBytes } = cost;
  if (ms > INPUT_MS_MAX) return `takes ${ms.toFixed(0)} ms`;
  if (growthBytes > target.growthBytesMax) return `takes ${growthBytes} bytes`;
  if (error === undefined) return undefined;
  if (!(error instanceof AfterimageError)) return `is no error of ours: ${messageOf(error)}`;
  if (!(error.code in catalogue)) return `has no code of the catalogue: ${error.code}`;
  return undefined;
}

/** The inputs of a batch that run something which no input before it ran: looked for by halves. */
async function whichReach(
  target: FuzzTarget,
  batch: readonly Buffer[],
  coverage: Coverage,
): Promise<Buffer[]> {
  for (const input of batch) {
    try {
      target.take(input);
    } catch {
      // Judged when it was taken the first time.
    }
  }
  const news = await coverage.news();
  if (news.length === 0) return [];
  if (batch.length === 1) {
    coverage.remember(news);
    return [...batch];
  }
  const half = batch.length >> 1;
  const found = await whichReach(target, batch.slice(0, half), coverage);
  return [...found, ...(await whichReach(target, batch.slice(half), coverage))];
}
