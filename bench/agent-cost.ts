/**
 * What a first copy costs the agent itself, without broker, lane and replica: processor time up to
 * the sealed frame, and how long its thread answered nobody; without workers and with one, in turns.
 * Each copy is a process of its own.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AgentCost } from './agent-cost-end.js';
import type { Figure } from './figure.js';
import type { RunOptions } from './run-options.js';
import { summarise } from './summary.js';
import { writeMixedTree } from './trees/mixed-tree.js';
import { writeSmallFiles } from './trees/small-files.js';

const SEED = 7;
const GB = 1e9;
/** Memory where there is some to write files into: what a disk costs is not the agent's. */
const MEMORY = '/dev/shm';

const end = fileURLToPath(new URL('./agent-cost-end.js', import.meta.url));
const start = promisify(execFile);

interface Case {
  readonly name: string;
  readonly unit: string;
  readonly root: string;
  readonly workers: number;
  /** CPU seconds of so much are the figure. */
  readonly share: (cost: AgentCost) => number;
}

export async function run({ rounds, scale }: RunOptions): Promise<Figure[]> {
  const folder = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'afterimage-cost-'));
  try {
    const small = writeSmallFiles({ folder: join(folder, 'small'), scale, seed: SEED });
    const mixed = writeMixedTree({ folder: join(folder, 'mixed'), scale, seed: SEED }).folder;
    const cases = [0, 1].flatMap((workers): Case[] => [
      {
        ...{ name: `agent_small_files_workers_${workers}`, unit: 'CPU s/100k files' },
        ...{ root: small, workers, share: () => scale },
      },
      {
        ...{ name: `agent_mixed_workers_${workers}`, unit: 'CPU s/GB' },
        ...{ root: mixed, workers, share: ({ bytesRead }) => bytesRead / GB },
      },
    ]);
    return await measure(cases, { rounds, folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(
  cases: readonly Case[],
  { rounds, folder }: { readonly rounds: number; readonly folder: string },
): Promise<Figure[]> {
  const costs = new Map<Case, AgentCost[]>(cases.map((one) => [one, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [{ root, workers }, measured] of costs) {
      const env = { ...process.env, TMPDIR: folder };
      const { stdout } = await start(process.execPath, [end, root, String(workers)], { env });
      measured.push(JSON.parse(stdout) as AgentCost);
    }
  }
  return [...costs].flatMap(([{ name, unit, share }, measured]) => [
    summarise({ name, unit, rounds: measured.map((cost) => cost.cpuMs / 1000 / share(cost)) }),
    summarise({
      name: `${name}_block_ms`,
      unit: 'ms',
      rounds: measured.map(({ blockMs }) => blockMs),
    }),
  ]);
}
