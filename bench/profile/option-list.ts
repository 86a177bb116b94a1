/** What `profile` and `sweep` can be told. Apart, so that a list of benchmarks loads neither. */
export const profileOptions = {
  seed: 'another seed makes other trees and changes (1)',
  ground: 'ext4, xfs, tmpfs, or a folder (ext4)',
  sets: 'd1, d2 or d3 (d1)',
  step: 'first_copy, no_change, one_percent or another copy of the set (first_copy)',
  lane: 'broker or direct (direct where there is one)',
  flame: 'folder for a flame graph of agent and replica',
} as const;

/** Tunables by the word that a sweep calls them, and the agent's key. */
export const tunables: ReadonlyMap<string, string> = new Map([
  ['window', 'window_bytes_max'],
  ['workers', 'workers'],
  ['compression', 'compression'],
  ['dedup', 'dedup_bytes_max'],
  ['lane', 'lane'],
]);
