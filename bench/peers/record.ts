/** What a run of `peers` keeps: the file that tables and charts are made from. */
import { z } from 'zod';

const costs = z.record(z.string(), z.number());

export const sampleSchema = z.object({
  story: z.string(),
  step: z.string(),
  copier: z.string(),
  round: z.number(),
  ms: z.number(),
  cpuS: z.number(),
  cpuSOf: costs,
  rssMib: z.number(),
  rssMibOf: costs,
  wireBytes: z.number().optional(),
  storedBytes: z.number(),
});

export const recordSchema = z.object({
  bench: z.literal('peers'),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    memoryMib: z.number(),
    kernel: z.string(),
    node: z.string(),
    filesystem: z.string(),
  }),
  scale: z.number(),
  seed: z.number(),
  rounds: z.number(),
  ground: z.string(),
  network: z.string(),
  stories: z.array(z.object({ name: z.string(), about: z.string() })),
  copiers: z.array(z.object({ name: z.string(), about: z.string() })),
  samples: z.array(sampleSchema),
});

export type SampleJson = z.infer<typeof sampleSchema>;
export type PeersRecord = z.infer<typeof recordSchema>;

/** A number of a sample, for all rounds. */
export type Metric = 'ms' | 'cpuS' | 'rssMib' | 'wireBytes' | 'storedBytes';

export interface Cell {
  readonly story: string;
  readonly step: string;
  readonly copier: string;
}

/** One value a round; none when it was not measured. */
export function roundsOf(record: PeersRecord, cell: Cell, metric: Metric): readonly number[] {
  return record.samples
    .filter(
      ({ story, step, copier }) =>
        story === cell.story && step === cell.step && copier === cell.copier,
    )
    .map((sample) => sample[metric])
    .filter((value) => value !== undefined);
}

/** Undefined when it was not measured. */
export function medianOf(record: PeersRecord, cell: Cell, metric: Metric): number | undefined {
  const sorted = [...roundsOf(record, cell, metric)].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Steps in the order in which they were taken. */
export function stepsOf(record: PeersRecord): readonly { story: string; step: string }[] {
  const seen = new Map<string, { story: string; step: string }>();
  for (const { story, step } of record.samples) seen.set(`${story} ${step}`, { story, step });
  return [...seen.values()];
}
