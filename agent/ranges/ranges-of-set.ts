/** The source of ranges of one set: for each file the first of several that can follow it. */
import { createHash } from 'node:crypto';
import type { Log } from '../../shared/log.js';
import { loadExtents } from '../../shared/posix/extents.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { RootPath } from '../plan/open-roots.js';
import { CLONE_FOLDER } from '../plan/plan-parts.js';
import { CloneSource, usualCloneLimits } from './clone-source.js';
import type { RangeSource } from './range-source.js';

const KEY_DIGITS = 16;

export interface RangesOptions {
  readonly roots: readonly RootPath[];
  /** The set's own folder, which tells it from every other set of this host. */
  readonly setFolder: string;
  readonly posix: Posix;
  readonly log: Log;
  /** Asked, in order, for files of which no clone can be kept. */
  readonly others: readonly RangeSource[];
}

export function rangesOfSet({ setFolder, others, ...options }: RangesOptions): RangeSource {
  const key = createHash('sha256').update(setFolder).digest('hex').slice(0, KEY_DIGITS);
  const clones = new CloneSource({
    ...options,
    hidden: CLONE_FOLDER.toString(),
    folder: `kept-${key}`,
    extents: loadExtents(),
    limits: usualCloneLimits,
  });
  return firstOf([clones, ...others]);
}

/** Each knows the looks of its own by their basis. */
function firstOf(sources: readonly RangeSource[]): RangeSource {
  return {
    name: sources.map(({ name }) => name).join(', '),
    async begin(file) {
      for (const source of sources) {
        const look = await source.begin(file);
        if (look !== undefined) return look;
      }
      return undefined;
    },
    settle(basisOf) {
      for (const source of sources) source.settle(basisOf);
    },
    state() {
      const states = sources.map((source) => source.state());
      return {
        files: states.reduce((sum, { files }) => sum + files, 0),
        heldBytesMax: states.reduce((sum, { heldBytesMax }) => sum + heldBytesMax, 0),
      };
    },
    close() {
      for (const source of sources) source.close();
    },
  };
}
