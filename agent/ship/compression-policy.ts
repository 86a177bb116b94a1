/**
 * Which compression a frame gets, as a pure function of what was measured: nothing while the link
 * outruns the processor, more the slower the link, never more of the host's processors than it has
 * to spare. What is little is compressed always: it costs nothing that anybody notices. The
 * reasoning is in docs/design/compression.md.
 */

/** 0 is none, 1 to 19 are zstd's. */
export type CompressionLevel = number;

/** What the operator chose. */
export type CompressionSetting = 'auto' | 'none' | CompressionLevel;

export const COMPRESSION_LEVEL_MAX = 19;

/** What `auto` chooses from, weakest first; stronger ones hold the event loop for too long. */
export const autoLevels: readonly CompressionLevel[] = [1, 3, 6, 9];

/** For what is little: of all levels the one that gives most for its time. */
export const LITTLE_LEVEL: CompressionLevel = 3;

/** A change that gains less time than this is not made. */
const GAIN_MIN = 0.1;
/** What costs less processor time and is slower by no more than this is as good. */
const SLOWER_MAX = 0.05;
const CHEAPER_MIN = 0.3;
/** Up to so many processors are given without having seen that it helps. */
const UNTRIED_CORES_MAX = 0.2;

/** What a level costs and gives, for content of one kind. */
export interface LevelCost {
  readonly level: CompressionLevel;
  readonly msPerByte: number;
  /** Bytes that travel for a byte of content. */
  readonly ratio: number;
}

export const noCompression: LevelCost = { level: 0, msPerByte: 0, ratio: 1 };

export type CompressionReason =
  /** The configuration says so. */
  | 'configured'
  /** Little is sent. */
  | 'little'
  /** The link holds frames back and more would pass it. */
  | 'link-bound'
  /** The link takes frames as fast as they are made. */
  | 'link-outruns'
  /** It would pay, and the host has no processor to spare. */
  | 'host-busy'
  /** It was tried and nothing became faster: what receives is slow, not the link. */
  | 'no-gain'
  /** It is to be tried, and for that one has to know how fast frames arrive without. */
  | 'comparing';

export interface CompressionDecision {
  readonly level: CompressionLevel;
  readonly reason: CompressionReason;
}

/** `unprepared`: there is nothing yet to compare with. */
export type TrialResult = 'open' | 'in-vain' | 'unprepared';

export interface CompressionFacts {
  /** Levels to choose from, for the content at hand. */
  readonly levels: readonly LevelCost[];
  /** What is in use. */
  readonly current: CompressionLevel;
  /** Bytes that the link takes in a ms; undefined when it never held a frame back. */
  readonly linkBytesPerMs: number | undefined;
  /** What the sending thread does else for a byte of content, ms. */
  readonly otherMsPerByte: number;
  /** Processors that compression may take. */
  readonly coresMax: number;
  /** What trying it has shown. */
  readonly trial: TrialResult;
  /** There is time set aside for what is little. */
  readonly isLittle: boolean;
}

/** Milliseconds that a byte of content takes: its maker and its link work side by side. */
export function msPerByte(
  cost: LevelCost,
  facts: Pick<CompressionFacts, 'linkBytesPerMs' | 'otherMsPerByte'>,
): number {
  const link = facts.linkBytesPerMs === undefined ? 0 : cost.ratio / facts.linkBytesPerMs;
  return Math.max(facts.otherMsPerByte + cost.msPerByte, link);
}

export function chooseCompression(facts: CompressionFacts): CompressionDecision {
  const bulk = chooseForBulk(facts);
  const isLittle = facts.isLittle && bulk.level === 0 && bulk.reason !== 'comparing';
  return isLittle ? { level: LITTLE_LEVEL, reason: 'little' } : bulk;
}

function chooseForBulk(facts: CompressionFacts): CompressionDecision {
  const all = [noCompression, ...facts.levels];
  const current = all.find(({ level }) => level === facts.current) ?? noCompression;
  const wanted = settle(facts, all, current);
  if (wanted.level === 0) return { level: 0, reason: 'link-outruns' };
  if (coresOf(wanted, facts) > UNTRIED_CORES_MAX) {
    if (facts.trial === 'in-vain') return { level: 0, reason: 'no-gain' };
    if (facts.trial === 'unprepared') return { level: 0, reason: 'comparing' };
  }
  const affordable = all.filter((cost) => coresOf(cost, facts) <= facts.coresMax);
  const { level } = settle(facts, affordable, affordable.includes(current) ? current : undefined);
  return { level, reason: level === 0 ? 'host-busy' : 'link-bound' };
}

/** The best of `costs`, or `current` where the best is hardly better. */
function settle(
  facts: CompressionFacts,
  costs: readonly LevelCost[],
  current: LevelCost | undefined,
): LevelCost {
  const times = costs.map((cost) => msPerByte(cost, facts));
  const least = Math.min(...times);
  // weakest first: of those that are as fast, the one that costs the host least
  const best = costs.find((_, at) => (times[at] ?? 0) <= least * (1 + SLOWER_MAX));
  if (best === undefined) return noCompression;
  if (current === undefined || best === current) return best;
  const isFaster = msPerByte(best, facts) < msPerByte(current, facts) * (1 - GAIN_MIN);
  const isCheaper = best.msPerByte < current.msPerByte * (1 - CHEAPER_MIN);
  return isFaster || isCheaper ? best : current;
}

/** Processors that a level keeps busy at the pace that it allows. */
function coresOf(cost: LevelCost, facts: CompressionFacts): number {
  const ms = msPerByte(cost, facts);
  return ms === 0 ? 0 : cost.msPerByte / ms;
}
