/** What `operator` can be told. Apart, so that a list of benchmarks does not load it. */
export const operatorOptions = {
  seed: 'another seed makes another set (1)',
  files: 'files of the set that is asked (1000000 × scale)',
  points: 'its points (10000 × scale)',
  only: 'questions, viewers or mount: measure nothing else',
} as const;
