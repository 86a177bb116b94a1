/**
 * What a dry run said it would do, in the words of who has to decide: what is new, overwritten,
 * changed in its attributes, deleted, moved aside, left, kept. Pure.
 */

/** In the order in which somebody should read them: what is lost first. */
export const outcomes = [
  'deleted',
  'overwritten',
  'aside',
  'attributes',
  'new',
  'spared',
  'kept',
] as const;
export type Outcome = (typeof outcomes)[number];

const outcomeOfAction = new Map<string, Outcome>([
  ['delete', 'deleted'],
  ['rewrite', 'overwritten'],
  ['replace', 'overwritten'],
  ['move', 'aside'],
  ['rename', 'aside'],
  ['adjust', 'attributes'],
  ['create', 'new'],
  ['link', 'new'],
  ['spare', 'spared'],
  ['keep', 'kept'],
  ['leave', 'kept'],
]);

/** What an action of the engine means for what stands there; an unknown one counts as overwriting. */
export function outcomeOf(action: string): Outcome {
  return outcomeOfAction.get(action) ?? 'overwritten';
}

export interface PlannedEntry {
  readonly outcome: Outcome;
  readonly action: string;
  readonly path: string;
  /** Of content to write. */
  readonly bytes: number;
  readonly metadata?: readonly string[] | undefined;
}

export interface Planned {
  /** When it was looked at, by the browser's clock. */
  readonly lookedMs: number;
  readonly counts: Readonly<Record<Outcome, number>>;
  /** Of content that would be written; at least so much when entries are left out. */
  readonly bytes: number;
  /** Told one by one; those kept are not among them. */
  readonly entries: readonly PlannedEntry[];
  /** How many more there are than `entries` has. */
  readonly leftOut: number;
  readonly notes: readonly string[];
  readonly troubles: readonly {
    readonly path: string | null;
    readonly code: string;
    readonly message: string;
  }[];
  readonly troubleCount: number;
}

const noCounts: Readonly<Record<Outcome, number>> = {
  deleted: 0,
  overwritten: 0,
  aside: 0,
  attributes: 0,
  new: 0,
  spared: 0,
  kept: 0,
};

/** Counts by action as the engine names them, into counts by outcome; other counts are left out. */
export function countOutcomes(actions: Readonly<Record<string, number>>): Planned['counts'] {
  const counts = { ...noCounts };
  for (const [action, count] of Object.entries(actions)) {
    const outcome = outcomeOfAction.get(action);
    if (outcome !== undefined) counts[outcome] += count;
  }
  return counts;
}

/** A dry run writes nothing, so how much it would write is known of its entries alone. */
export function bytesOf(entries: readonly PlannedEntry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** What is there goes on changing: a dry run this old says little of it, ms. */
const OLD_MS = 10 * 60_000;

export function isOld({ lookedMs }: Planned, nowMs: number): boolean {
  return nowMs - lookedMs > OLD_MS;
}

/** Whether something that stands there now would be gone afterwards. */
export function isDestructive({ counts }: Planned): boolean {
  return counts.deleted > 0 || counts.overwritten > 0;
}

/** Entries whose path has the text, of one outcome or all; at most `max`, and how many match. */
export function filterEntries(
  entries: readonly PlannedEntry[],
  by: { readonly text: string; readonly outcome: Outcome | undefined; readonly max: number },
): { readonly shown: readonly PlannedEntry[]; readonly matching: number } {
  const text = by.text.toLowerCase();
  const shown: PlannedEntry[] = [];
  let matching = 0;
  for (const entry of entries) {
    if (by.outcome !== undefined && entry.outcome !== by.outcome) continue;
    if (text !== '' && !entry.path.toLowerCase().includes(text)) continue;
    matching += 1;
    if (shown.length < by.max) shown.push(entry);
  }
  return { shown, matching };
}
