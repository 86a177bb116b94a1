/** Texts of the search over all sets and points. */
import { formatNumbered as many } from '../parts/format.js';

export const search = {
  title: 'Search',
  label: 'Name of a file or folder',
  hint: 'Part of a name, or a pattern with * and ?. Every point of every set is searched.',
  keys: 'Arrow keys choose, Enter opens, V shows versions, R restores.',
  kind: 'Kind',
  kinds: { file: 'Files', folder: 'Folders', symlink: 'Links' },
  ext: 'Extension',
  extHint: 'conf',
  from: 'There from',
  to: 'There until',
  sizeMin: 'At least (bytes)',
  sizeMax: 'At most (bytes)',
  live: 'State',
  liveAny: 'Any',
  liveNow: 'In the newest point',
  liveGone: 'Only deleted',
  filters: 'Filters',
  count: (count: number, sets: number, ms: number) =>
    `${many(count, 'result', 'results')} in ${many(sets, 'set', 'sets')}, ${ms} ms`,
  truncated: 'There are more: write more of the name, or use filters.',
  nothing: 'Nothing of that name was ever in a point that is kept.',
  begin: 'Write a name: results come as you type.',
  searching: 'Searching …',
  there: (first: number, last: number) =>
    first === last ? `point ${first}` : `points ${first} to ${last}`,
  gone: (time: string) => `deleted, last seen ${time}`,
  isLive: 'there now',
  versions: 'Versions',
  restore: 'Restore',
  results: 'Results',
} as const;
