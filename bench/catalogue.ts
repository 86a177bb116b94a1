/** The benchmarks by name, each loaded only when it is run. */
import type { Figure } from './figure.js';
import type { RunOptions } from './run-options.js';

export interface Bench {
  readonly about: string;
  /** When not told otherwise. */
  readonly usual: RunOptions;
  /** Throws `mismatch` when something measured was not right. */
  readonly run: (options: RunOptions) => Promise<readonly Figure[]>;
}

export type Catalogue = Readonly<Record<string, Bench>>;

export const catalogue: Catalogue = {
  hash: {
    about: 'digests of blocks and pages, beside hash-wasm, SHA-256 and b3sum',
    usual: { rounds: 5, scale: 1 },
    run: async (options) => (await import('./hash.js')).run(options),
  },
  wire: {
    about: 'records through session, broker and receiver, beside bare publishes',
    usual: { rounds: 3, scale: 1 },
    run: async (options) => (await import('./wire.js')).run(options),
  },
  sync: {
    about: 'first copy, changes, latency and cost from end to end, beside rsync and restic',
    usual: { rounds: 3, scale: 0.25 },
    run: async (options) => (await import('./sync.js')).run(options),
  },
  capture: {
    about: 'reports of the kernel, scans, changed pages and commits of a set of a million files',
    usual: { rounds: 3, scale: 1 },
    run: async (options) => (await import('./capture.js')).run(options),
  },
  quiesce: {
    about: 'how long PostgreSQL is held for a point under load',
    usual: { rounds: 1, scale: 1 },
    run: async (options) => (await import('./quiesce/postgresql.js')).run(options),
  },
  fault: {
    about: 'processes killed, power cut and messages made up, and what was lost',
    usual: { rounds: 1, scale: 0.02 },
    run: async (options) => (await import('./fault.js')).run(options),
  },
};
