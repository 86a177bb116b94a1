/** Paths that somebody asks to be restored: who asks hears at once of one that the point lacks. */
import { AfterimageError } from '../../shared/errors.js';
import { pathOf } from './requests.js';
import type { ServedSet } from './served-set.js';

/** Throws `not-found` for a path that the point lacks, `argument-invalid` for what is none. */
export function checkPaths({ reader }: ServedSet, point: number, paths: readonly string[]): void {
  const view = reader.open(point);
  try {
    for (const path of paths) {
      if (view.resolve(pathOf(path)) !== undefined) continue;
      throw new AfterimageError('not-found', `${path} is not in point ${point}`, {
        facts: { point, path },
      });
    }
  } finally {
    view.close();
  }
}
