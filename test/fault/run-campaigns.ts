/**
 * Divides the time among campaigns. A campaign is run in rounds, each with a seed of its own: a first
 * small one shows how long it takes, later ones fill its share of the time. What throws is recorded,
 * and the next campaign begins.
 */
import { messageOf } from '../../shared/errors.js';
import type { Outcome } from './campaign.js';
import { addOutcomes } from './report.js';

export interface RoundRequest {
  readonly campaign: string;
  readonly seed: number;
  readonly budget: number;
  /** After which the round counts as one that hangs; for ever when left out. */
  readonly msMax?: number;
}

export interface RunOptions {
  readonly campaigns: readonly string[];
  readonly seed: number;
  /** Share of the full amount that is wanted of each campaign. */
  readonly budget: number;
  /** For all of them together; without, each runs its whole budget at once. */
  readonly minutes?: number;
  /** Runs one round; rejects when it throws, crashes or hangs. */
  readonly runRound: (request: RoundRequest) => Promise<readonly Outcome[]>;
  readonly log: (line: string) => void;
  /** ms, never set back. */
  readonly monotonic: () => number;
}

export interface CampaignRun {
  readonly campaign: string;
  /** What was run of it. */
  readonly budget: number;
  readonly outcomes: readonly Outcome[];
  /** Why it ended early. */
  readonly error?: unknown;
}

const TASTE = 0.01;
/** No round is more than this many times larger than all before it: they are what it is reckoned from. */
const GROWTH_MAX = 4;
/** Of the time left, so that a round that takes longer than reckoned still ends about in time. */
const PRUDENCE = 0.9;
const SEED_STEP = 7919;
/** A round may take this many times its share and some minutes before it counts as hanging. */
const HANG_FACTOR = 3;
const HANG_MS = 600_000;

export async function runCampaigns(options: RunOptions): Promise<CampaignRun[]> {
  const { campaigns, minutes, monotonic, log } = options;
  const endMs = minutes === undefined ? undefined : monotonic() + minutes * 60_000;
  const runs: CampaignRun[] = [];
  for (const [index, campaign] of campaigns.entries()) {
    // What one did not need of its share is for those after it.
    const ms = endMs === undefined ? undefined : (endMs - monotonic()) / (campaigns.length - index);
    const run = await runCampaign(campaign, ms, options);
    if (run.error !== undefined) log(`${campaign}: ${explain(run.error)}`);
    runs.push(run);
  }
  return runs;
}

function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? messageOf(error)) : messageOf(error);
}

async function runCampaign(
  campaign: string,
  ms: number | undefined,
  { seed, budget, runRound, monotonic, log }: RunOptions,
): Promise<CampaignRun> {
  const startMs = monotonic();
  let outcomes: Outcome[] = [];
  let done = 0;
  let next = ms === undefined ? budget : Math.min(budget, TASTE);
  for (let round = 0; next > 0; round += 1) {
    log(
      `${campaign}: round ${round + 1}, seed ${seed + round * SEED_STEP}, budget ${next.toFixed(3)}`,
    );
    const msMax = ms === undefined ? {} : { msMax: Math.max(0, ms) * HANG_FACTOR + HANG_MS };
    const request = { campaign, seed: seed + round * SEED_STEP, budget: next, ...msMax };
    try {
      outcomes = addOutcomes(outcomes, await runRound(request));
    } catch (error) {
      return { campaign, budget: done, outcomes, error };
    }
    done += next;
    next = ms === undefined ? 0 : nextBudget({ budget, done, ms, spentMs: monotonic() - startMs });
  }
  return { campaign, budget: done, outcomes };
}

/** How much the next round runs of the full amount; 0 when there is no time for more, or no need. */
export function nextBudget(at: {
  readonly budget: number;
  readonly done: number;
  readonly ms: number;
  readonly spentMs: number;
}): number {
  const { budget, done, ms, spentMs } = at;
  const affordable = ((ms - spentMs) * PRUDENCE * done) / Math.max(1, spentMs);
  const next = Math.min(budget - done, done * GROWTH_MAX, affordable);
  return next < Math.min(TASTE / 2, budget - done) || next < 1e-9 ? 0 : next;
}
