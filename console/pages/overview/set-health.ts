/**
 * What an operator should think of a set, and do next, from its status: pure. The worst thing that is
 * true is what is said; a stalled set is also behind, but room is what it needs.
 */
import type { SetStatusJson } from '../../../shared/api/status.js';
import type { Tone } from '../../parts/marks.js';
import { texts } from '../../texts.js';

export type HealthWord = keyof typeof texts.overview.state;

export interface Health {
  readonly word: HealthWord;
  readonly tone: Tone;
  /** Higher is worse; sets are shown worst first. */
  readonly rank: number;
  /** Index into `texts.overview.next`. */
  readonly next: keyof typeof texts.overview.next;
}

/** Worst first. */
const verdicts: readonly (Health & { readonly holds: (set: SetStatusJson) => boolean })[] = [
  {
    word: 'stalled',
    tone: 'bad',
    rank: 9,
    next: 'stalled',
    holds: ({ state }) => state === 'stalled',
  },
  { word: 'damaged', tone: 'bad', rank: 8, next: 'damaged', holds: isDamaged },
  { word: 'alarm', tone: 'bad', rank: 7, next: 'alarm', holds: ({ alarms = 0 }) => alarms > 0 },
  { word: 'refused', tone: 'bad', rank: 6, next: 'refused', holds: ({ error }) => error !== null },
  {
    word: 'away',
    tone: 'warn',
    rank: 5,
    next: 'away',
    holds: ({ agentConnected }) => !agentConnected,
  },
  { word: 'behind', tone: 'warn', rank: 4, next: 'behind', holds: isBehind },
  {
    word: 'gap',
    tone: 'warn',
    rank: 3,
    next: 'gap',
    holds: ({ continuityMs, newest }) => newest !== null && continuityMs === 0,
  },
  {
    word: 'receiving',
    tone: 'busy',
    rank: 2,
    next: 'watch',
    holds: ({ state }) => state === 'receiving',
  },
  {
    word: 'applying',
    tone: 'busy',
    rank: 2,
    next: 'watch',
    holds: ({ state }) => state === 'applying',
  },
  { word: 'first', tone: 'calm', rank: 1, next: 'first', holds: ({ newest }) => newest === null },
];

export function healthOf(set: SetStatusJson): Health {
  for (const { holds, ...health } of verdicts) if (holds(set)) return health;
  return { word: 'good', tone: 'good', rank: 0, next: 'none' };
}

/** Whether somebody has to do something. */
export function needsAttention(set: SetStatusJson): boolean {
  return healthOf(set).rank >= 4;
}

export function isBehind({ lagMs, lagTargetMs }: SetStatusJson): boolean {
  return lagMs !== null && lagTargetMs !== undefined && lagMs > lagTargetMs;
}

export function isDamaged({ scrub }: SetStatusJson): boolean {
  return scrub != null && (scrub.damaged > 0 || scrub.findings > 0);
}

/** Bytes of the base, and of everything that older points need. */
export function spaceOf({ space }: SetStatusJson): {
  readonly base: number;
  readonly history: number;
} {
  return {
    base: space.baseBytes,
    history: space.atticBytes + space.packBytes + space.indexBytes,
  };
}
