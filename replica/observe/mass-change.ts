/**
 * Says whether what syncs did to a set is what encryption does: files that could be read and cannot
 * any more. A pure function of what was seen (`look-at-sync.ts`), of what is remembered of the set, and
 * of the time. docs/design/mass-change.md gives reasons, measured margins and limits.
 */
import { z } from 'zod';

/** What one sync did to a set, as far as samples of bounded number tell. */
export interface SyncSigns {
  /** The agent's number of the sync, so that one that is looked at again counts once. */
  readonly sync: string;
  /** The point that it builds on. */
  readonly parentPoint: number;
  /** Files of that point. */
  readonly files: number;
  /** Files that were readable and are random now, under their name or one put together from it. */
  readonly turned: Sampled;
  /** Files that are random in parts, where they were readable. */
  readonly stirred: Sampled;
  /** New random files whose origin their names do not tell, by size. */
  readonly appeared: Sampled & { readonly sizes: readonly number[] };
  /** Readable files that are gone and left nothing under their name, by size. */
  readonly vanished: Sampled & { readonly sizes: readonly number[] };
  /** Files packed one by one into archives, and their kinds (by their old extension). */
  readonly packed: Sampled & { readonly kinds: readonly string[] };
  /** Files that got the same ending added to their names, and in how many folders and of how many kinds. */
  readonly ending: (Sampled & Ending) | undefined;
  /** One new small file of one content in many folders that were there before. */
  readonly note: Note | undefined;
  /** Bytes of the turned files among all bytes of the set, 0 to 1. */
  readonly turnedShare: number;
  readonly examples: readonly string[];
}

/** `hits` of `sampled` files that were looked at, out of `population`. Hits may weigh more than one. */
export interface Sampled {
  readonly hits: number;
  readonly sampled: number;
  readonly population: number;
}

export interface Ending {
  readonly ending: string;
  readonly folders: number;
  readonly kinds: number;
}

export interface Note {
  readonly name: string;
  readonly folders: number;
  /** The name speaks of what such notes speak of. */
  readonly isWorded: boolean;
}

/** What is remembered of a set between syncs; JSON in the catalog. */
export const massStateSchema = z.object({
  /** Weight of what was seen, halved every HALF_LIFE_MS. */
  evidence: z.number(),
  atMs: z.number(),
  /** Weight an hour that the set usually has, from the long run. */
  usualPerHour: z.number(),
  /** The point before the first of the evidence; null while there is none. */
  calmPoint: z.number().nullable(),
  /** The sync that counted last. */
  sync: z.string(),
  /** Random files that appeared, waiting for readable ones of their size to vanish. */
  appeared: z.array(z.object({ bytes: z.number(), atMs: z.number() })),
  packed: z.number(),
  packedKinds: z.array(z.string()),
});
export type MassState = z.infer<typeof massStateSchema>;

export interface MassVerdict {
  /** An alarm begins at 1. */
  readonly score: number;
  /** Weight now, and how much is too much. */
  readonly evidence: number;
  readonly evidenceMax: number;
  /** The newest point before all of it; null when there is no evidence. */
  readonly calmPoint: number | null;
  /** A sentence for each sign, the strongest first. */
  readonly signs: readonly string[];
}

const HOUR_MS = 3600 * 1000;
export const HALF_LIFE_MS = 2 * HOUR_MS;
const USUAL_HALF_LIFE_MS = 7 * 24 * HOUR_MS;
/** How much an even flow of one an hour adds up to. */
const HOURS_HELD = HALF_LIFE_MS / HOUR_MS / Math.LN2;
export const FILES_MAX = 10;
const FILES_MAX_SMALL_SET = 3;
const SHARE_OF_SMALL_SET = 0.25;
const USUAL_TIMES = 4;
/** Less than this is nothing: the calm point moves on. */
const EVIDENCE_NOTHING = 0.5;

const WEIGHT_STIRRED = 0.5;
const WEIGHT_EXCHANGED = 0.75;
const AMPLIFIED = 0.5;
const PACKED_MAX = 30;
const PACKED_KINDS_MIN = 4;
const PACKED_KINDS_KEPT = 16;
const ENDING_FILES_MAX = 60;
const ENDING_KINDS_MIN = 4;
const ENDING_FOLDERS_MIN = 4;
const NOTE_FOLDERS_MIN = 5;
const APPEARED_MAX = 512;
const SHARE_OF_BYTES_MAX = 0.5;

export const freshMassState: MassState = {
  evidence: 0,
  atMs: 0,
  usualPerHour: 0,
  calmPoint: null,
  sync: '',
  appeared: [],
  packed: 0,
  packedKinds: [],
};

/** What to remember after a whole sync, and what to think of it. Look at part of one, forget `state`. */
export function judgeSync(
  before: MassState,
  signs: SyncSigns,
  nowMs: number,
): { readonly state: MassState; readonly verdict: MassVerdict } {
  const calm = decayed(before, nowMs);
  const isRepeated = before.sync === signs.sync;
  const exchange = matchSizes(calm.appeared, signs, nowMs);
  const weight = weightOf(signs, exchange.matched);
  const evidence = isRepeated ? Math.max(calm.evidence, weight.sum) : calm.evidence + weight.sum;
  const packed = isRepeated ? calm.packed : calm.packed + atLeast(signs.packed);
  const packedKinds = [...new Set([...calm.packedKinds, ...signs.packed.kinds])];
  const isAny = evidence >= EVIDENCE_NOTHING || packed >= 1;
  const calmPoint = isAny ? (calm.calmPoint ?? signs.parentPoint) : null;
  const state: MassState = {
    ...calm,
    evidence,
    usualPerHour: isRepeated ? calm.usualPerHour : usualAfter(before, weight.sum, nowMs),
    calmPoint,
    sync: signs.sync,
    appeared: exchange.waiting,
    packed,
    packedKinds: packed >= 1 ? packedKinds.slice(0, PACKED_KINDS_KEPT) : [],
  };
  return { state, verdict: verdictOf(state, signs, weight.lines) };
}

/** After an alarm was dealt with: what happened is over, or (`isUsual`) is how this set always is. */
export function settledState(state: MassState, options: { readonly isUsual: boolean }): MassState {
  const usualPerHour = options.isUsual
    ? Math.max(state.usualPerHour, state.evidence / HOURS_HELD)
    : state.usualPerHour;
  return {
    ...state,
    evidence: 0,
    calmPoint: null,
    appeared: [],
    packed: 0,
    packedKinds: [],
    usualPerHour,
  };
}

function decayed(state: MassState, nowMs: number): MassState {
  const ageMs = Math.max(0, nowMs - state.atMs);
  const share = 2 ** (-ageMs / HALF_LIFE_MS);
  const evidence = state.evidence * share;
  const packed = state.packed * share;
  const isAny = evidence >= EVIDENCE_NOTHING || packed >= 1;
  return {
    ...state,
    evidence,
    packed,
    atMs: nowMs,
    calmPoint: isAny ? state.calmPoint : null,
    appeared: state.appeared.filter(({ atMs }) => nowMs - atMs < HALF_LIFE_MS),
  };
}

/** Slow: what a set does for days is usual, what it does for minutes is not. */
function usualAfter(state: MassState, weight: number, nowMs: number): number {
  if (state.atMs === 0) return 0;
  const hours = Math.max(0, nowMs - state.atMs) / HOUR_MS;
  const share = 2 ** ((-hours * HOUR_MS) / USUAL_HALF_LIFE_MS);
  const perHour = Math.LN2 / (USUAL_HALF_LIFE_MS / HOUR_MS);
  return state.usualPerHour * share + weight * perHour;
}

interface Weight {
  readonly sum: number;
  readonly lines: readonly string[];
}

function weightOf(signs: SyncSigns, exchanged: number): Weight {
  const turned = atLeast(signs.turned);
  const stirred = atLeast(signs.stirred);
  const plain = turned + stirred * WEIGHT_STIRRED + exchanged * WEIGHT_EXCHANGED;
  const lines = [
    line(turned, 'that could be read are random bytes now'),
    line(stirred, 'are random bytes in parts, where they could be read'),
    line(exchanged, 'that could be read are gone, with random files of their size in their stead'),
  ];
  if (plain === 0) return { sum: 0, lines: [] };
  let factor = 1;
  const { ending, note } = signs;
  if (ending !== undefined && ending.hits >= 3 && ending.kinds >= 2) {
    factor += AMPLIFIED;
    lines.push(`names got the ending ${JSON.stringify(ending.ending)}`);
  }
  if (note !== undefined && (note.isWorded || note.folders >= NOTE_FOLDERS_MIN)) {
    factor += AMPLIFIED;
    lines.push(`a file ${JSON.stringify(note.name)} came to ${note.folders} folders`);
  }
  return { sum: plain * factor, lines: lines.filter((text) => text !== '') };
}

function line(files: number, what: string): string {
  const rounded = Math.round(files);
  return rounded < 1 ? '' : `${rounded} ${rounded === 1 ? 'file' : 'files'} ${what}`;
}

function verdictOf(state: MassState, signs: SyncSigns, lines: readonly string[]): MassVerdict {
  const evidenceMax = evidenceMaxOf(state, signs.files);
  const scores = [
    { score: state.evidence / evidenceMax, text: '' },
    {
      score: Math.min(state.packed / PACKED_MAX, state.packedKinds.length / PACKED_KINDS_MIN),
      text: `${Math.round(state.packed)} files of ${state.packedKinds.length} kinds were packed one by one, and are gone`,
    },
    endingScore(signs.ending),
    {
      score: signs.turned.hits >= 1 ? signs.turnedShare / SHARE_OF_BYTES_MAX : 0,
      text: `${Math.round(signs.turnedShare * 100)} % of the set's bytes are random now, and were not`,
    },
  ];
  const score = Math.max(...scores.map((one) => one.score));
  const told = scores.filter((one) => one.score >= 1 && one.text !== '').map(({ text }) => text);
  return {
    score,
    evidence: state.evidence,
    evidenceMax,
    calmPoint: state.calmPoint ?? (score >= 1 ? signs.parentPoint : null),
    signs: [...lines, ...told],
  };
}

function evidenceMaxOf(state: MassState, files: number): number {
  const small = Math.max(FILES_MAX_SMALL_SET, files * SHARE_OF_SMALL_SET);
  return Math.max(Math.min(FILES_MAX, small), USUAL_TIMES * state.usualPerHour * HOURS_HELD);
}

function endingScore(ending: SyncSigns['ending']): { score: number; text: string } {
  if (ending === undefined) return { score: 0, text: '' };
  const files = atLeast(ending);
  const score = Math.min(
    files / ENDING_FILES_MAX,
    ending.kinds / ENDING_KINDS_MIN,
    ending.folders / ENDING_FOLDERS_MIN,
  );
  const text = `${Math.round(files)} files of ${ending.kinds} kinds in ${ending.folders} folders got the ending ${JSON.stringify(ending.ending)}`;
  return { score, text };
}

/**
 * How many files there are at the least, by the sample. One hit among few of many says no more than
 * itself: what is beyond the hits is counted from where chance hardly reaches (two deviations).
 */
export function atLeast({ hits, sampled, population }: Sampled): number {
  if (sampled === 0 || population <= sampled) return hits;
  const sure = Math.max(0, hits - 2 * Math.sqrt(hits));
  return Math.max(hits, (sure / sampled) * population);
}

/**
 * Pairs what vanished with what appeared, in this sync or before, by size: encryption adds a header
 * and rounds up, it does not shrink. Each counts once.
 */
function matchSizes(
  earlier: MassState['appeared'],
  { appeared, vanished }: SyncSigns,
  nowMs: number,
): { readonly matched: number; readonly waiting: MassState['appeared'] } {
  const waiting = [...earlier, ...appeared.sizes.map((bytes) => ({ bytes, atMs: nowMs }))]
    .slice(-APPEARED_MAX)
    .sort((a, b) => a.bytes - b.bytes);
  let hits = 0;
  for (const bytes of [...vanished.sizes].sort((a, b) => a - b)) {
    const slack = Math.max(1024, bytes * 0.02);
    const at = waiting.findIndex((one) => one.bytes >= bytes && one.bytes <= bytes + slack);
    if (at < 0) continue;
    waiting.splice(at, 1);
    hits += 1;
  }
  return { matched: atLeast({ ...vanished, hits }), waiting };
}
