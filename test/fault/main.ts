/**
 * `npm run test:fault -- [--minutes N] [--seed S] [--only NAME,NAME] [--budget F] [--json]`: runs the
 * campaigns, prints what became of the data, and writes docs/faults.md. With --json it prints one
 * object and writes nothing. Ends with 1 when anything was lost or wrong or did not go on.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine } from '../../bench/machine.js';
import { messageOf } from '../../shared/errors.js';
import { type FaultArguments, parseArguments, USAGE } from './arguments.js';
import {
  type CampaignRecord,
  formatOutcomes,
  formatRecords,
  isClean,
  mergeRecords,
  parseRecords,
} from './report.js';
import { runRoundProcess } from './round-process.js';
import { runCampaigns } from './run-campaigns.js';

const project = fileURLToPath(new URL('../../../', import.meta.url));
const recordFile = path.join(project, 'docs', 'faults.md');
const FAILED = 1;
const USAGE_WRONG = 2;

// An end by signal runs what `process.on('exit')` holds: the round under way is stopped.
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => process.exit(FAILED));
}

/** Sources, not what an older build left beside them. */
function allCampaigns(): string[] {
  return fs
    .readdirSync(path.join(project, 'test', 'fault', 'campaigns'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.basename(file, '.ts'))
    .sort();
}

/** With the mark of changes that no commit has. */
function describeCommit(): string {
  const git = (...args: string[]): string => {
    const { status, stdout } = spawnSync('git', args, { cwd: project, encoding: 'utf8' });
    return status === 0 ? stdout.trim() : '';
  };
  const commit = git('rev-parse', '--short', 'HEAD');
  if (commit === '') return 'unknown';
  const changed = git(
    'status',
    '--porcelain',
    '--',
    'agent',
    'assembly',
    'cli',
    'native',
    'replica',
    'shared',
  );
  return changed === '' ? commit : `${commit} with changes`;
}

function machineText(): string {
  const { cpu, cores, memoryMib, kernel, node, filesystem } = describeMachine();
  const memoryGib = Math.round(memoryMib / 1024);
  return `${cores} cores (${cpu}), ${memoryGib} GiB, Linux ${kernel.split('-')[0] ?? ''}, Node ${node}, ${filesystem}`;
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

async function measure(asked: FaultArguments): Promise<CampaignRecord[]> {
  const about = {
    date: new Date().toISOString().slice(0, 10),
    commit: describeCommit(),
    machine: machineText(),
    seed: asked.seed,
  };
  const runs = await runCampaigns({
    ...asked,
    runRound: (request) => runRoundProcess(request, log),
    log,
    monotonic: () => performance.now(),
  });
  return runs.map(({ campaign, budget, outcomes, error }) => ({
    ...about,
    campaign,
    budget,
    outcomes,
    cutShort: error !== undefined,
  }));
}

function record(measured: readonly CampaignRecord[]): void {
  const before = fs.existsSync(recordFile) ? parseRecords(fs.readFileSync(recordFile, 'utf8')) : [];
  const campaigns = allCampaigns();
  const current = before.filter(({ campaign }) => campaigns.includes(campaign));
  fs.writeFileSync(recordFile, formatRecords(mergeRecords(current, measured)));
}

async function main(): Promise<number> {
  let asked: FaultArguments;
  try {
    asked = parseArguments(process.argv.slice(2), allCampaigns());
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n${USAGE}`);
    return USAGE_WRONG;
  }
  const measured = await measure(asked);
  if (asked.output === 'json') {
    process.stdout.write(`${JSON.stringify({ campaigns: measured })}\n`);
  } else {
    process.stdout.write(formatOutcomes(measured));
    record(measured);
  }
  return isClean(measured) ? 0 : FAILED;
}

process.exitCode = await main();
