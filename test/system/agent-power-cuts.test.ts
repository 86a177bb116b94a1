/**
 * Power cuts under the agent's data in small (R12, R13; promise 2), and the proof that they would be
 * noticed: without the flushes of SQLite the agent does not know where it stands.
 */
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { campaign } from '../fault/campaigns/agent-power-cuts.js';
import { playAgentCuts } from '../fault/power/play-agent-cuts.js';
import { recorderMissing } from '../fault/power/recorder.js';

const seed = Number(process.env['SEED'] ?? 17);
const missing = recorderMissing(['ext4']);
if (missing !== undefined) console.warn(`power cuts are not played: ${missing}`);
const small = { type: 'ext4', files: 2_000, changes: 1_000, syncs: 4 } as const;
const ROUNDS_MAX = 6;

/** Databases that are opened from now on leave all flushing to the system. */
function withoutFlushes(): { over(): void } {
  const pragma = Object.getOwnPropertyDescriptor(Database.prototype, 'pragma');
  if (pragma === undefined) throw new Error('databases have no pragmas');
  const usual = pragma.value as (this: Database.Database, ...args: unknown[]) => unknown;
  Object.defineProperty(Database.prototype, 'pragma', {
    ...pragma,
    value(this: Database.Database, text: string, ...rest: unknown[]): unknown {
      const said = text.startsWith('synchronous') ? 'synchronous = OFF' : text;
      return usual.call(this, said, ...rest);
    },
  });
  return { over: () => Object.defineProperty(Database.prototype, 'pragma', pragma) };
}

test.skipIf(missing !== undefined)(
  `power cuts under the agent: it knows where it stands, and misses no change (seed ${seed})`,
  { timeout: 60_000 },
  async () => {
    const said: string[] = [];
    const log = (line: string): void => void said.push(line);
    const { checkpointedBytes, ...result } = await playAgentCuts({ ...small, seed, cuts: 8, log });
    expect(result, said.join('\n')).toEqual({ tried: 8, survived: 8, lost: 0, wrong: 0 });
    expect(checkpointedBytes).toBeGreaterThan(100_000);
  },
);

test.skipIf(missing !== undefined)(
  `power cuts under the agent: a taste of the fault campaign (seed ${seed})`,
  { timeout: 120_000 },
  async () => {
    const said: string[] = [];
    const log = (line: string): void => void said.push(line);
    for (const { skipped, ...outcome } of await campaign.run({ seed, budget: 0.01, log })) {
      const { tried, survived } = outcome;
      expect(skipped !== undefined || tried > 0).toBe(true);
      expect({ ...outcome, survived }, said.join('\n')).toEqual({
        ...outcome,
        survived: tried,
        lost: 0,
        wrong: 0,
      });
    }
  },
);

test.skipIf(missing !== undefined)(
  'power cuts under the agent: are noticed when its database is not flushed',
  { timeout: 120_000 },
  async () => {
    const neverFlushed = withoutFlushes();
    try {
      let noticed = 0;
      for (let round = 0; round < ROUNDS_MAX && noticed === 0; round += 1) {
        const run = { ...small, files: 400, changes: 100, seed: seed + round, cuts: 10 };
        const { lost, wrong } = await playAgentCuts({ ...run, log: () => undefined });
        noticed = lost + wrong;
      }
      expect(noticed).toBeGreaterThan(0);
    } finally {
      neverFlushed.over();
    }
  },
);
