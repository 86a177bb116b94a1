/** What `growth` can be told. Apart, so that a list of benchmarks does not load it. */
export const growthOptions = {
  seed: 'another seed makes other trees and changes (1)',
  ground: 'ext4, xfs, tmpfs, or a folder (ext4)',
  files: 'numbers of files with commas (10000,100000,1000000)',
  gib: 'sizes of one file with commas, mostly holes (1,10,50)',
  save: 'folder for growth.json and growth.svg (dist/bench-results)',
} as const;
