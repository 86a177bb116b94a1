/** What `query` can be told. Apart, so that a list of benchmarks does not load it. */
export const queryOptions = {
  seed: 'another seed makes other trees and changes (1)',
  ground: 'ext4, xfs, tmpfs, or a folder (tmpfs)',
  points: 'points that are searched at last (1000)',
  cut: 'files of the set whose point is cut; 0 leaves it out (1000000 × scale)',
} as const;
