/**
 * The fault campaigns as figures: processes killed, power cut, decoders fed with nonsense, and what
 * was lost. The campaigns are tests; they run as a process of their own and say what they found.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { AfterimageError } from '../shared/errors.js';
import type { Figure } from './figure.js';
import type { RunOptions } from './run-options.js';
import { summarise } from './summary.js';

const campaignsFile = fileURLToPath(new URL('../test/fault/main.js', import.meta.url));
const CAMPAIGNS = ['kills', 'power-cuts', 'fuzz'];
const SEED = 1;

const count = z.number().int().nonnegative();
const outcomeSchema = z.object({
  kind: z.string(),
  tried: count,
  survived: count,
  lost: count,
  wrong: count,
});
type Outcome = z.infer<typeof outcomeSchema>;
const answerSchema = z.object({
  campaigns: z.array(
    z.object({ campaign: z.string(), cutShort: z.boolean(), outcomes: z.array(outcomeSchema) }),
  ),
});
type Answer = z.infer<typeof answerSchema>;

/** What a campaign tried of one kind, and what became of it. */
type Count = (answer: Answer) => number;

const figures: readonly {
  readonly name: string;
  readonly unit: string;
  readonly of: Count;
  readonly atMost?: number;
}[] = [
  { name: 'kills', unit: 'kills', of: sum('kills', 'tried', isKill) },
  { name: 'kills_lost_acks', unit: 'points', of: sum('kills', 'lost'), atMost: 0 },
  { name: 'power_cuts', unit: 'cuts', of: sum('power-cuts', 'tried') },
  {
    name: 'wrong_reads',
    unit: 'reads',
    of: (answer) => sum('kills', 'wrong')(answer) + sum('power-cuts', 'wrong')(answer),
    atMost: 0,
  },
  { name: 'fuzzed_messages', unit: 'messages', of: sum('fuzz', 'tried') },
  { name: 'crashes', unit: 'crashes', of: crashes, atMost: 0 },
];

/** Scale 1 is the published amount of docs/faults.md. Throws when the campaigns cannot be run. */
export async function run({ rounds, scale }: RunOptions): Promise<readonly Figure[]> {
  const answers: Answer[] = [];
  for (let round = 0; round < rounds; round += 1) {
    answers.push(await runCampaigns({ budget: scale, seed: SEED + round }));
  }
  return figures.map(({ name, unit, of, atMost }) =>
    summarise({ name, unit, rounds: answers.map(of) }, atMost === undefined ? {} : { atMost }),
  );
}

function isKill({ kind }: Outcome): boolean {
  return kind.startsWith('kill -9');
}

function sum(
  campaign: string,
  key: 'tried' | 'lost' | 'wrong',
  which: (outcome: Outcome) => boolean = () => true,
): Count {
  return ({ campaigns }) =>
    campaigns
      .filter((run) => run.campaign === campaign)
      .flatMap(({ outcomes }) => outcomes.filter(which))
      .reduce((total, outcome) => total + outcome[key], 0);
}

/** Messages that a decoder did not survive, and whatever else did not go on or ended early. */
function crashes({ campaigns }: Answer): number {
  return campaigns.reduce(
    (total, { cutShort, outcomes }) =>
      outcomes.reduce((sum, { tried, survived }) => sum + tried - survived, total) +
      (cutShort ? 1 : 0),
    0,
  );
}

async function runCampaigns(at: {
  readonly budget: number;
  readonly seed: number;
}): Promise<Answer> {
  const args = ['--json', '--only', CAMPAIGNS.join(','), '--seed', String(at.seed)];
  const child = spawn(process.execPath, [campaignsFile, ...args, '--budget', String(at.budget)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const leave = (): void => void child.kill('SIGTERM');
  process.prependOnceListener('exit', leave);
  const out: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  process.removeListener('exit', leave);
  // It ends with 1 when something was lost: that is a result.
  if (code !== 0 && code !== 1) {
    throw new AfterimageError('internal', `the fault campaigns ended with ${code ?? 'a signal'}`);
  }
  return answerSchema.parse(JSON.parse(Buffer.concat(out).toString('utf8')));
}
