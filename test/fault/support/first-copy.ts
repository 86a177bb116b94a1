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
/** Rows of the newest frames go with a replica that is killed, and with them what nobody finds any more. */
const ROWS_BYTES = 3 * MIB;
/**
 * An agent that lives sends again what is not durable: one flush's worth, and what came during the
 * flush. A disk that others keep busy may take so long for it that there is no telling.
 */
const NOT_DURABLE_BYTES = 16 * MIB;
/** Frames on their way, names and digests. */
const OVERHEAD_BYTES = 2 * MIB;

interface Cut {
  readonly staged: number;
  /** What each of the agent's connections had sent until the kill: one may outlive it. */
  readonly sent: ReadonlyMap<string, number> | undefined;
  /** How often a replica was killed so far. */
  readonly replicaKills: number;
  /** Kills of a replica that the agent lived through, from the last cut on. */
  readonly rewinds: number;
}

/** Starts the agent and kills, each time within the first copy if it lasts that long. */
export async function cutFirstCopy(life: Life, victims: readonly Victims[]): Promise<string> {
  const { product, witness, random } = life;
  let starting: Promise<unknown> = product.startAgent();
  let replicaKills = 0;
  const said: string[] = [];
  for (const [index, chosen] of victims.entries()) {
    const share = (index + random.below(1000) / 1000) / (victims.length + 0.2);
    await stagedOf(life, share * life.firstBytes);
    const overBefore = await isOver(life);
    const killed = await life.kill(chosen);
    // Not before: what is sent until the kill is heard of may be staged, and is not sent again.
    const sent = life.sentBytes();
    await starting.catch(() => undefined);
    const staged = stagedBytes(witness.setFolder);
    const back = life.bringBack(killed);
    starting = back;
    const { killedAgain } = await back;
    const kills = Number(killed.includes('replica')) + Number(killedAgain);
    replicaKills += kills;
    if (overBefore || index + 1 < victims.length) {
      said.push(`${(staged / MIB).toFixed(1)} MiB staged`);
      continue;
    }
    await product.until('the first copy is there', () => isOver(life));
    const rewinds = killed.includes('agent') ? 0 : kills;
    said.push(judgeBytes(life, { staged, sent, replicaKills, rewinds }));
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

function judgeBytes(life: Life, { staged, sent, replicaKills, rewinds }: Cut): string {
  const now = life.sentBytes();
  const mib = (bytes: number): string => (bytes / MIB).toFixed(1);
  const had = `${mib(staged)} of ${mib(life.firstBytes)} MiB staged`;
  if (now === undefined || sent === undefined) return `${had}; nobody counts what was sent`;
  const sentAfter = [...now].reduce((sum, [at, bytes]) => sum + bytes - (sent.get(at) ?? 0), 0);
  const lost = replicaKills * ROWS_BYTES + (rewinds > 0 ? NOT_DURABLE_BYTES : 0);
  const twice = Math.max(0, rewinds - 1) * NOT_DURABLE_BYTES;
  const allowed = life.firstBytes - Math.max(0, staged - lost) + twice + OVERHEAD_BYTES;
  const what = `${had}, ${mib(sentAfter)} MiB sent after the kill`;
  const isJudged = rewinds === 0 || life.storage === 'memory';
  if (isJudged && sentAfter > allowed) {
    throw new Broken(`a first copy began anew: ${what}, at most ${mib(allowed)} would do`);
  }
  return what;
}
