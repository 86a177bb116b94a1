/**
 * Power came back: opens the set on what its disk holds, and compares with what had been told to the
 * agent before the cut (promises 1 to 3, R11, R12).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { verifySet } from '../../../replica/verify/verify-set.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import { messageOf } from '../../../shared/errors.js';
import { differences, readPoint } from '../../model/full-copy.js';
import { openModelSet, type OpenSet, sendSync } from '../../model/open-set.js';
import { BOOT, type PlannedSync } from './power-history.js';
import type { LogEntry } from './write-log.js';

const PATIENCE_MS = 20_000;

/** What the agent had been told. */
export interface Told {
  /** Newest point that was committed. */
  readonly committed: number;
  /** Newest sync that was sealed; the n-th becomes point n. */
  readonly sealed: number;
  /** Newest frame that was durable. */
  readonly durable: number;
}

export function toldBefore(entries: readonly LogEntry[], cut: number): Told {
  const told = { committed: 0, sealed: 0, durable: 0 };
  for (const entry of entries.slice(0, cut)) {
    if (entry.type !== 'mark') continue;
    for (const line of entry.text.trimEnd().split('\n')) {
      const [word = '', number] = line.split(' ');
      if (!Object.hasOwn(told, word)) throw new Error(`an unknown mark: ${line}`);
      const key = word as keyof Told;
      told[key] = Math.max(told[key], Number(number));
    }
  }
  return told;
}

export interface Finding {
  /** Acknowledged syncs, points or frames that are gone. */
  readonly lost: readonly string[];
  /** What reads back other than it was, and what no longer works. */
  readonly wrong: readonly string[];
}

/** Never throws for what the set does. */
export async function checkCut(
  folder: string,
  expected: { readonly told: Told; readonly syncs: readonly PlannedSync[] },
): Promise<Finding> {
  const lost: string[] = [];
  const wrong: string[] = [];
  let set: OpenSet;
  try {
    set = await openModelSet(folder);
  } catch (error) {
    return { lost: [`the set does not open: ${messageOf(error)}`], wrong };
  }
  try {
    lost.push(...lostOf(set, expected));
    await within('reading points back', checkPoints(set, expected.syncs, wrong));
    await within('the next sync', goOn(set, expected.syncs, wrong));
  } catch (error) {
    wrong.push(messageOf(error));
  } finally {
    await within('closing', set.close()).catch((error: unknown) => wrong.push(messageOf(error)));
  }
  return { lost, wrong };
}

function lostOf(
  set: OpenSet,
  { told, syncs }: { readonly told: Told; readonly syncs: readonly PlannedSync[] },
): string[] {
  const lost: string[] = [];
  const { point, staged } = set.writer.position();
  if (point < told.committed)
    lost.push(`point ${told.committed} was committed, ${point} is newest`);
  if (point < told.sealed) lost.push(`sync ${told.sealed} was sealed, ${point} is newest`);
  const next = syncs[point];
  const durable = staged?.durableSequence ?? 0;
  if (next !== undefined && told.durable >= next.from && durable < told.durable)
    lost.push(`frame ${told.durable} was durable, ${durable} is newest of sync ${point + 1}`);
  return lost;
}

async function checkPoints(
  set: OpenSet,
  syncs: readonly PlannedSync[],
  wrong: string[],
): Promise<void> {
  const { point } = set.writer.position();
  for (const [index, { copy }] of syncs.slice(0, point).entries()) {
    const found = differences(await readPoint(set.store, index + 1), copy);
    wrong.push(...found.map((line) => `point ${index + 1}: ${line}`));
  }
  const reader = new StoredSetReader(set.store);
  const { signal } = new AbortController();
  for await (const line of verifySet(reader, { hash: createHashCore(), depth: 'data', signal }))
    if (line.type === 'finding') wrong.push(`verify: ${line.message}`);
}

/** The sync under way goes on from its durable frame, as the agent would send it. */
async function goOn(set: OpenSet, syncs: readonly PlannedSync[], wrong: string[]): Promise<void> {
  const { point, chain, staged } = set.writer.position();
  const next = syncs[point];
  if (next === undefined) return;
  const all = next.frames(chain);
  const done = staged === null ? 0 : Math.max(0, staged.durableSequence - next.from + 1);
  const event = await sendSync(set.writer, {
    boot: BOOT,
    from: next.from + done,
    frames: all.slice(done),
  });
  if (event.type !== 'committed') {
    wrong.push(
      `the next sync is ${event.type}${event.type === 'refused' ? `: ${event.error.message}` : ''}`,
    );
    return;
  }
  const found = differences(await readPoint(set.store, point + 1), next.copy);
  wrong.push(...found.map((line) => `next point ${point + 1}: ${line}`));
}

/** A set that its disk made wait for ever is one that does not go on. */
async function within(what: string, work: Promise<void>): Promise<void> {
  const late = delay(PATIENCE_MS, 'late' as const, { ref: false });
  if ((await Promise.race([work, late])) === 'late') throw new Error(`${what} does not end`);
}
