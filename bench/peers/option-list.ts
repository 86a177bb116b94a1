/** What `peers` can be told. Apart, so that a list of benchmarks loads none of them. */
export const peersOptions = {
  seed: 'another seed makes other trees and changes (1)',
  ground: 'ext4, xfs, tmpfs, or a folder (ext4)',
  sets: 'which of d1,d2,d3 (all)',
  tree: 'a folder whose copy is protected instead',
  copiers: 'who takes part, by name with commas (all who are installed)',
  save: 'folder for peers.json and peers.svg (dist/bench-results)',
  draw: 'only draw peers.svg beside this peers.json',
} as const;
