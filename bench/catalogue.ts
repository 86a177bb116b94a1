/** The benchmarks by name, each loaded only when it is run. */
import type { Figure } from './figure.js';
import { growthOptions } from './growth/option-list.js';
import { operatorOptions } from './operator/option-list.js';
import { peersOptions } from './peers/option-list.js';
import { profileOptions } from './profile/option-list.js';
import { queryOptions } from './query/option-list.js';
import type { RunOptions } from './run-options.js';

export interface Bench {
  readonly about: string;
  /** When not told otherwise. */
  readonly usual: RunOptions;
  /** Options of its own that take a value, and what each is. */
  readonly options?: Readonly<Record<string, string>>;
  /** It runs in a network namespace of its own where the machine allows it. */
  readonly network?: 'own';
  /** What words after its name are; absent when it takes none. */
  readonly words?: string;
  /** Throws `mismatch` when something measured was not right. */
  readonly run: (options: RunOptions) => Promise<readonly Figure[]>;
}

export type Catalogue = Readonly<Record<string, Bench>>;

export const catalogue: Catalogue = {
  hash: {
    about: 'digests of blocks and pages, beside hash-wasm, SHA-256 and b3sum',
    usual: { rounds: 5, scale: 1 },
    options: { blake3: "folder `c` of the official BLAKE3's sources, to compare with SSE4.1" },
    run: async (options) => (await import('./hash.js')).run(options),
  },
  wire: {
    about: 'records through session, broker and receiver, beside bare publishes',
    usual: { rounds: 3, scale: 1 },
    run: async (options) => (await import('./wire.js')).run(options),
  },
  peers: {
    about: 'copies, changes, restores and questions, beside rsync, restic, borg and kopia',
    usual: { rounds: 3, scale: 0.25 },
    options: peersOptions,
    network: 'own',
    run: async (options) => (await import('./peers.js')).run(options),
  },
  'agent-cost': {
    about: "what a first copy costs the agent's processor alone, without workers and with one",
    usual: { rounds: 3, scale: 0.25 },
    run: async (options) => (await import('./agent-cost.js')).run(options),
  },
  profile: {
    about: 'where the time of one sync goes, stage by stage',
    usual: { rounds: 1, scale: 0.25 },
    options: profileOptions,
    network: 'own',
    run: async (options) => (await import('./profile.js')).run(options),
  },
  sweep: {
    about: 'the same sync with one tunable at several values',
    usual: { rounds: 3, scale: 0.1 },
    options: profileOptions,
    words:
      'window=1M,4M or workers=0,1,2 or compression=none,auto,3 or lane=broker,direct or dedup=…',
    network: 'own',
    run: async (options) => (await import('./profile.js')).runSweep(options),
  },
  growth: {
    about: 'the same change in sets of growing size, beside rsync',
    usual: { rounds: 1, scale: 0.1 },
    options: growthOptions,
    network: 'own',
    run: async (options) => (await import('./growth.js')).run(options),
  },
  query: {
    about: 'questions over 20 and 1,000 points, and the cut of a point of a million files',
    usual: { rounds: 1, scale: 0.1 },
    options: queryOptions,
    run: async (options) => (await import('./query.js')).run(options),
  },
  operator: {
    about: "what an operator's console asks of a million files and 10,000 points, viewers, mounts",
    usual: { rounds: 1, scale: 0.1 },
    options: operatorOptions,
    run: async (options) => (await import('./operator.js')).run(options),
  },
  latency: {
    about: 'how soon a write is in a point, in continuous mode',
    usual: { rounds: 3, scale: 1 },
    run: async (options) => (await import('./latency.js')).run(options),
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
