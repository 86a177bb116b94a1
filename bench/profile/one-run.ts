/** One step of one set with the product alone, and where its time went. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { statusSchema } from '../../shared/api/status.js';
import { AfterimageError } from '../../shared/errors.js';
import { hasDirectLane } from '../peers/afterimage.js';
import { type Grounds, trim } from '../peers/grounds.js';
import { type Cost, measureCost } from '../peers/meter.js';
import type { Network } from '../peers/network.js';
import type { Story, Subject } from '../peers/stories.js';
import { Product } from '../harness.js';
import { seedOf } from '../trees/random.js';
import { digestTree } from '../trees/tree-digest.js';

/** The agent writes what it knows of itself each second. */
const STATUS_MS = 1_500;

const stagesSchema = z.record(
  z.string(),
  z.object({ calls: z.number(), ms: z.number(), bytes: z.number() }),
);
export type Stages = z.infer<typeof stagesSchema>;

export interface Profiled extends Cost {
  readonly agent: Stages;
  readonly replica: Stages;
}

export interface OneRunOptions {
  readonly story: Story;
  readonly subject: Subject;
  /** The step that is measured; what comes before it is only done. */
  readonly step: string;
  readonly scale: number;
  readonly seed: number;
  readonly grounds: Grounds;
  readonly network: Network;
  readonly lane: 'broker' | 'direct';
  /** Further keys of the agent's configuration. */
  readonly agent: Readonly<Record<string, unknown>>;
  /** Where Node writes what each process spent its time on; undefined for not. */
  readonly cpuProfiles: string | undefined;
}

/** Throws `mismatch` when the copy was wrong. */
export async function profileOnce(options: OneRunOptions): Promise<Profiled> {
  const { subject, grounds, network, lane } = options;
  const folder = join(grounds.copies, 'profiled');
  const sourceFolder = join(grounds.source, 'profiled-agent');
  for (const place of [folder, sourceFolder]) mkdirSync(place);
  const product = await Product.start({
    root: subject.folder,
    folder,
    sourceFolder,
    schedule: 'asked',
    set: { capture: { source: 'auto', scan_every: '7d' } },
    agent: {
      ...(hasDirectLane() && lane === 'broker' ? { direct: 'never' } : {}),
      ...options.agent,
    },
    replica: { scrub: { every: 'never' } },
    before: { agent: network.onSource },
    host: network.host,
    ...(options.cpuProfiles === undefined ? {} : { cpuProfiles: options.cpuProfiles }),
  });
  try {
    return await runSteps(product, options, sourceFolder);
  } finally {
    await product.stop();
    for (const place of [folder, sourceFolder]) {
      rmSync(place, { recursive: true, force: true, maxRetries: 10 });
    }
    trim(grounds);
  }
}

async function runSteps(
  product: Product,
  options: OneRunOptions,
  agentFolder: string,
): Promise<Profiled> {
  const { story, subject, step: wanted, scale, network } = options;
  const seed = seedOf(options.seed, 'profile');
  const stages = async (): Promise<Pick<Profiled, 'agent' | 'replica'>> => {
    await delay(STATUS_MS);
    const { stages: replica = {} } = await product.apiClient.json(statusSchema, {
      path: '/v1/status',
    });
    return { agent: agentStages(agentFolder), replica };
  };
  for (const step of story.steps.filter(({ work }) => work === 'copy')) {
    step.change?.({ subject, seed, scale });
    const before = step.name === 'first_copy' ? { agent: {}, replica: {} } : await stages();
    const processes = (): ReadonlyMap<string, number> => product.processes();
    const cost = await measureCost(() => product.sync(), { processes, network });
    if (step.name !== wanted) continue;
    const after = await stages();
    if ((await product.digest()) !== digestTree(subject.folder, { metadata: 'without' })) {
      throw new AfterimageError('mismatch', `a wrong copy at ${wanted}`);
    }
    return {
      ...cost,
      agent: difference(after.agent, before.agent),
      replica: difference(after.replica, before.replica),
    };
  }
  throw new AfterimageError('argument-invalid', `${story.name} has no step ${wanted}`);
}

function agentStages(folder: string): Stages {
  const status: unknown = JSON.parse(readFileSync(join(folder, 'status.json'), 'utf8'));
  return z.object({ stages: stagesSchema.default({}) }).parse(status).stages;
}

function difference(after: Stages, before: Stages): Stages {
  const changed = Object.entries(after).map(([name, { calls, ms, bytes }]) => {
    const was = before[name] ?? { calls: 0, ms: 0, bytes: 0 };
    const now = { calls: calls - was.calls, ms: ms - was.ms, bytes: bytes - was.bytes };
    return [name, now] as const;
  });
  return Object.fromEntries(changed.filter(([, { calls }]) => calls > 0));
}
