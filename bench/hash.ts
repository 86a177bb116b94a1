/**
 * Speed of the hashing core beside hash-wasm's BLAKE3, OpenSSL's SHA-256 through node:crypto, and the
 * native b3sum where it is installed. All run in turn within each round, so that a machine that slows
 * down slows all of them; ratios are taken within a round.
 */

import Benchmark from 'benchmark';
import { createBLAKE3 } from 'hash-wasm';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHashCore } from '../shared/hash/create-hash-core.js';
import { BLOCK_BYTES } from '../shared/limits.js';
import type { Figure } from './figure.js';
import { buildNative } from './native-blake3.js';
import type { RunOptions } from './run-options.js';

const MIB = 1024 * 1024;
const SMALL_BYTES = 2048;
/** Seconds that one measurement takes at scale 1. */
const MEASURE_S = 0.4;
/** b3sum is timed with its start, so it gets a file that makes the start small. */
const NATIVE_BYTES = 512 * MIB;

/** Seconds a call, in turn for each case of a round. */
type Case = (seconds: number) => number;
type Cases = Readonly<Record<string, Case>>;

export async function run(options: RunOptions): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-bench-'));
  try {
    const cases = {
      ...(await casesInProcess()),
      ...narrowCase(folder, options.given?.['blake3']),
      ...nativeCase(folder, options.scale),
    };
    return figuresOf(measure(cases, options), options.scale);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A case over `Benchmark`, which finds out how many calls a measurement needs. */
function timed(call: () => void): Case {
  return (seconds) => {
    const benchmark = new Benchmark(call, { maxTime: seconds, minSamples: 3 });
    benchmark.run({ async: false });
    // Its types leave out that a call which threw leaves its error here.
    const { error } = benchmark as { error?: unknown };
    if (error !== undefined) throw new Error('a case failed', { cause: error });
    return benchmark.stats.mean;
  };
}

async function casesInProcess(): Promise<Cases> {
  const core = createHashCore();
  const batch = core.batchBuffer();
  const bytes = randomFillSync(Buffer.alloc(MIB));
  batch.set(bytes);
  const block = bytes.subarray(0, BLOCK_BYTES);
  const small = bytes.subarray(0, SMALL_BYTES);
  const hashWasm = await createBLAKE3();
  return {
    wasm_64kib: timed(() => void core.digestBatch(BLOCK_BYTES)),
    sha256_64kib: timed(() => void createHash('sha256').update(block).digest()),
    wasm_1mib: timed(() => void core.digestBatch(MIB)),
    hash_wasm_1mib: timed(() => void hashWasm.init().update(bytes).digest('binary')),
    wasm_2kib: timed(() => void core.digestBlocks(small)),
  };
}

/** b3sum on one thread over a file in the page cache; no case when it is not installed. */
function nativeCase(folder: string, scale: number): Cases {
  if (spawnSync('b3sum', ['--version']).status !== 0) return {};
  const path = join(folder, 'native');
  writeFileSync(path, Buffer.alloc(nativeBytes(scale), 'afterimage'));
  return {
    native: () => {
      const start = process.hrtime.bigint();
      execFileSync('b3sum', ['--num-threads', '1', path]);
      return Number(process.hrtime.bigint() - start) / 1e9;
    },
  };
}

/** The official C with SSE4.1; no case without its sources. */
function narrowCase(folder: string, sourceFolder: string | undefined): Cases {
  if (sourceFolder === undefined) return {};
  const native = buildNative({ sourceFolder, folder });
  return { sse41_64kib: (seconds) => native(BLOCK_BYTES, seconds) };
}

function nativeBytes(scale: number): number {
  return Math.max(16, Math.round((NATIVE_BYTES / MIB) * Math.min(1, scale))) * MIB;
}

/** Seconds a call of each case, one entry a round; a first round only warms up. */
function measure(cases: Cases, options: RunOptions): ReadonlyMap<string, number[]> {
  const seconds = new Map<string, number[]>(Object.keys(cases).map((name) => [name, []]));
  for (let round = -1; round < options.rounds; round += 1) {
    for (const [name, run] of Object.entries(cases)) {
      const taken = run(MEASURE_S * options.scale);
      if (round >= 0) seconds.get(name)?.push(taken);
    }
  }
  return seconds;
}

function figuresOf(seconds: ReadonlyMap<string, number[]>, scale: number): Figure[] {
  const of = (name: string): number[] => seconds.get(name) ?? [];
  const speed = (name: string, bytes: number): number[] => of(name).map((s) => bytes / s / 1e9);
  const ratio = (slow: string, fast: string): number[] => {
    const other = of(fast);
    return of(slow).map((s, round) => s / (other[round] ?? NaN));
  };
  const figures = [
    figure('wasm_gbps_64kib', 'GB/s', speed('wasm_64kib', BLOCK_BYTES)),
    figure('wasm_gbps_1mib', 'GB/s', speed('wasm_1mib', MIB)),
    figure('wasm_vs_hash_wasm_1mib', '×', ratio('hash_wasm_1mib', 'wasm_1mib'), {
      against: 'hash-wasm BLAKE3',
      atLeast: 2.5,
    }),
    figure('wasm_vs_sha256_64kib', '×', ratio('sha256_64kib', 'wasm_64kib'), {
      against: 'node:crypto SHA-256',
      atLeast: 1.2,
    }),
    ...(seconds.has('sse41_64kib')
      ? [
          figure('wasm_vs_native_sse41', '×', ratio('sse41_64kib', 'wasm_64kib'), {
            against: 'official BLAKE3 in C with SSE4.1 assembly, one thread',
            atLeast: 1,
          }),
          figure('native_sse41_gbps_64kib', 'GB/s', speed('sse41_64kib', BLOCK_BYTES)),
        ]
      : []),
    figure('hash_wasm_gbps_1mib', 'GB/s', speed('hash_wasm_1mib', MIB)),
    figure('sha256_gbps_64kib', 'GB/s', speed('sha256_64kib', BLOCK_BYTES)),
    figure(
      'wasm_us_2kib',
      'µs',
      of('wasm_2kib').map((s) => s * 1e6),
    ),
  ];
  if (!seconds.has('native')) return figures;
  return [...figures, figure('native_b3sum_gbps', 'GB/s', speed('native', nativeBytes(scale)))];
}

function figure(
  name: string,
  unit: string,
  rounds: readonly number[],
  promise?: { readonly against: string; readonly atLeast: number },
): Figure {
  const sorted = [...rounds].sort((a, b) => a - b);
  const value = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  return {
    name,
    value,
    unit,
    rounds: [sorted[0] ?? NaN, value, sorted.at(-1) ?? NaN],
    against: promise?.against ?? '',
    target: promise === undefined ? '' : `≥ ${promise.atLeast}`,
    met: promise === undefined ? null : value >= promise.atLeast,
  };
}
