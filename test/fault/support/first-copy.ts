/**
 * A first copy that is cut off goes on where it was (R12): what the agent sends afterwards is less
 * than the whole, by what the replica had.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Life, Victims } from './life.js';
import { stagedBytes, underWayBytes } from './staged-bytes.js';
import { Broken } from './witness.js';

const POLL_MS = 4;
const MIB = 1024 * 1024;
/** What a replica has received and not yet made durable goes with it: this much at most, and its rows. */
const NOT_DURABLE_BYTES = 16 * MIB;
/** Frames on their way, names and digests. */
const OVERHEAD_BYTES = 2 * MIB;

interface Cut {
  readonly staged: number;
  /** What each of the agent's connections had sent before: one may outlive the kill. */
  readonly sent: ReadonlyMap<string, number> | undefined;
  /** Whether a replica was killed up to here, so that rows of what is there may be gone. */
  readonly rows: 'whole' | 'cut';
  /** A replica that was killed while it came back may have received as much once more. */
  readonly killedAgain: boolean;
}

/** Starts the agent and kills, each time within the first copy if it lasts that long. */
export async function cutFirstCopy(life: Life, victims: readonly Victims[]): Promise<string> {
  const { product, witness, random } = life;
  let starting: Promise<unknown> = product.startAgent();
  let rows: Cut['rows'] = 'whole';
  const said: string[] = [];
  for (const [index, chosen] of victims.entries()) {
    const share = (index + random.below(1000) / 1000) / (victims.length + 0.2);
    await stagedOf(life, share * life.firstBytes);
    const overBefore = await isOver(life);
    const sent = life.sentBytes();
    const killed = await life.kill(chosen);
    await starting.catch(() => undefined);
    const staged = stagedBytes(witness.setFolder);
    if (killed.includes('replica')) rows = 'cut';
    const back = life.bringBack(killed);
    starting = back;
    const { killedAgain } = await back;
    if (killedAgain) rows = 'cut';
    if (overBefore || index + 1 < victims.length) {
      said.push(`${(staged / MIB).toFixed(1)} MiB staged`);
      continue;
    }
    await product.until('the first copy is there', () => isOver(life));
    said.push(judgeBytes(life, { staged, sent, rows, killedAgain }));
  }
  return said.join('; ');
}

/** Waits until the replica has so much of the first copy, or all of it. */
async function stagedOf(life: Life, bytes: number): Promise<void> {
  const { product, witness } = life;
  await product.until('the first copy begins', () =>
    existsSync(path.join(witness.setFolder, 'new')),
  );
  while (underWayBytes(witness.setFolder) < bytes && !(await isOver(life))) await delay(POLL_MS);
}

async function isOver({ product }: Life): Promise<boolean> {
  const { sets } = await product.status();
  return sets.some(({ newest }) => newest !== null);
}

function judgeBytes(life: Life, { staged, sent, rows, killedAgain }: Cut): string {
  const now = life.sentBytes();
  const mib = (bytes: number): string => (bytes / MIB).toFixed(1);
  const had = `${mib(staged)} of ${mib(life.firstBytes)} MiB staged`;
  if (now === undefined || sent === undefined) return `${had}; nobody counts what was sent`;
  const sentAfter = [...now].reduce((sum, [at, bytes]) => sum + bytes - (sent.get(at) ?? 0), 0);
  const kept = Math.max(0, staged - (rows === 'cut' ? NOT_DURABLE_BYTES : 0));
  const twice = killedAgain ? NOT_DURABLE_BYTES : 0;
  if (sentAfter > life.firstBytes - kept + twice + OVERHEAD_BYTES) {
    throw new Broken(`a first copy began anew: ${had}, ${mib(sentAfter)} MiB sent after the kill`);
  }
  return `${had}, ${mib(sentAfter)} MiB sent after the kill${killedAgain ? ', again' : ''}`;
}
