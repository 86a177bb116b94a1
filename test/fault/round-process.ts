/**
 * Runs one round of a campaign in a process of its own: one that crashes, hangs or keeps memory takes
 * nothing else with it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Outcome } from './campaign.js';
import type { RoundRequest } from './run-campaigns.js';

const roundFile = fileURLToPath(new URL('./round.js', import.meta.url));
/** For a round told to end: its processes and folders go first. */
const LEAVE_MS = 30_000;

const count = z.number().int().nonnegative();
const outcomeSchema = z
  .object({
    kind: z.string(),
    tried: count,
    survived: count,
    lost: count,
    wrong: count,
    skipped: z.string().optional(),
  })
  .transform(({ skipped, ...counts }): Outcome => ({
    ...counts,
    ...(skipped === undefined ? {} : { skipped }),
  }));
const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('log'), line: z.string() }),
  z.object({ type: z.literal('failed'), message: z.string() }),
  z.object({ type: z.literal('done'), outcomes: z.array(outcomeSchema) }),
]);
/** What the process of a round says. */
export type RoundMessage = z.infer<typeof messageSchema>;

/** Rejects with what the campaign threw, or when its process ended without a word or takes too long. */
export async function runRoundProcess(
  { campaign, seed, budget, msMax }: RoundRequest,
  log: (line: string) => void,
): Promise<readonly Outcome[]> {
  const child = fork(roundFile, [campaign, String(seed), String(budget)], {
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const leave = (): void => void child.kill('SIGTERM');
  process.once('exit', leave);
  let said: Exclude<RoundMessage, { type: 'log' }> | undefined;
  child.on('message', (message) => {
    const told = messageSchema.parse(message);
    if (told.type === 'log') log(`${campaign}: ${told.line}`);
    else said = told;
  });
  const limit = new RoundLimit(child, msMax);
  // What was said last may come after the end of the process that said it.
  const [[code, signal]] = await Promise.all([
    once(child, 'exit') as Promise<[number | null, string | null]>,
    once(child, 'disconnect'),
  ]);
  limit.lift();
  process.off('exit', leave);
  if (limit.reached) throw new Error(`it did not end in ${Math.round((msMax ?? 0) / 1000)} s`);
  if (said?.type === 'done') return said.outcomes;
  throw new Error(said?.message ?? `its process ended with ${signal ?? code ?? 'nothing'}`);
}

/** Tells a round to end when its time is over, and ends it when it does not. */
class RoundLimit {
  reached = false;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(child: ChildProcess, msMax: number | undefined) {
    if (msMax === undefined) return;
    const end = (): void => {
      this.reached = true;
      child.kill('SIGTERM');
      this.#timers.push(setTimeout(() => child.kill('SIGKILL'), LEAVE_MS));
    };
    this.#timers.push(setTimeout(end, msMax));
  }

  lift(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
