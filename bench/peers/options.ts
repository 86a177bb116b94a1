/** What `peers` was told. */
import { AfterimageError } from '../../shared/errors.js';
import type { RunOptions } from '../run-options.js';
import { realTree, stories, type Story } from './stories.js';

export interface PeersAsked {
  readonly seed: number;
  readonly ground: string;
  readonly stories: readonly Story[];
  readonly copiers: ReadonlySet<string> | undefined;
  readonly save: string;
  readonly draw: string | undefined;
}

/** Throws `argument-invalid`. */
export function readPeersOptions({ given = {} }: RunOptions): PeersAsked {
  const { seed = '1', ground = 'ext4', sets, tree, copiers, save = 'dist/bench-results' } = given;
  if (!/^\d{1,9}$/.test(seed)) throw invalid(`seed ${seed} is no whole number`);
  return {
    seed: Number(seed),
    ground,
    stories: tree === undefined ? chooseStories(sets) : [realTree(tree)],
    copiers: copiers === undefined ? undefined : new Set(copiers.split(',')),
    save,
    draw: given['draw'],
  };
}

/** By their names with commas; all for none. Throws `argument-invalid`. */
export function chooseStories(names: string | undefined): readonly Story[] {
  if (names === undefined) return stories;
  return names.split(',').map((name) => {
    const story = stories.find((one) => one.name === name);
    if (story === undefined) throw invalid(`there is no set ${name}`);
    return story;
  });
}

function invalid(message: string): AfterimageError {
  return new AfterimageError('argument-invalid', message);
}
