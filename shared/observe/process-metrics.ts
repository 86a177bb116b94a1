/** Metrics that every process of ours has: where its time went, its errors, its memory, its stalls. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { stageCounts, type StageCount } from '../stages.js';
import type { ErrorCounts } from './error-counts.js';
import type { MetricFamilies, Sample } from './metric-families.js';

export interface ProcessFacts {
  readonly errors: ErrorCounts;
  readonly version: string;
  readonly startedMs: number;
  /** `wasm-simd` …: which core names blocks. */
  readonly hashCore: string;
}

const DELAY_RESOLUTION_MS = 20;
const NS = 1e9;
const quantiles = [0.5, 0.99, 1] as const;

/** Begins to watch the event loop's delay; returns how to stop. */
export function addProcessMetrics(
  families: MetricFamilies,
  { errors, version, startedMs, hashCore }: ProcessFacts,
): () => void {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  const stage = (value: (count: StageCount) => number) => (): Sample[] =>
    Object.entries(stageCounts()).map(([name, count]) => ({
      labels: { stage: name },
      value: value(count),
    }));
  families.counter({
    name: 'stage_seconds_total',
    help: 'Time that a stage of the pipeline took, summed over threads',
    labels: ['stage'],
    read: stage(({ ms }) => ms / 1000),
  });
  families.counter({
    name: 'stage_bytes_total',
    help: 'Bytes that went through a stage of the pipeline',
    labels: ['stage'],
    read: stage(({ bytes }) => bytes),
  });
  families.counter({
    name: 'stage_operations_total',
    help: 'Pieces of work that a stage of the pipeline did',
    labels: ['stage'],
    read: stage(({ calls }) => calls),
  });
  families.counter({
    name: 'errors_total',
    help: 'Errors that were logged, by code of the error catalogue',
    labels: ['code'],
    read: () => [...errors.counts()].map(([code, value]) => ({ labels: { code }, value })),
  });
  families.gauge({
    name: 'event_loop_delay_seconds',
    help: 'How late the event loop came since the last scrape, beyond the resolution of the measurement',
    labels: ['quantile'],
    read: () => {
      const samples = quantiles.map((quantile) => {
        const ns = quantile === 1 ? delay.max : delay.percentile(quantile * 100);
        const late = Math.max(0, ns / NS - DELAY_RESOLUTION_MS / 1000);
        return { labels: { quantile: String(quantile) }, value: late };
      });
      delay.reset();
      return samples;
    },
  });
  families.gauge({
    name: 'resident_memory_bytes',
    help: 'Memory of the process, all threads',
    read: () => [{ value: process.memoryUsage.rss() }],
  });
  families.gauge({
    name: 'start_time_seconds',
    help: 'When the process started, seconds since the epoch',
    read: () => [{ value: startedMs / 1000 }],
  });
  families.gauge({
    name: 'build_info',
    help: 'Always 1; the version, and which core computes digests',
    labels: ['version', 'hash_core'],
    read: () => [{ labels: { version, hash_core: hashCore }, value: 1 }],
  });
  return () => {
    delay.disable();
  };
}
