/** Other file systems, other roots of the set and the agent's own folders are not walked. */
import { toPathText } from '../../shared/path-text.js';
import type { Found } from './found.js';
import type { OpenRoot } from './open-roots.js';
import { CLONE_FOLDER, type PlanParts } from './plan-parts.js';

export interface ForeignParts extends Pick<PlanParts, 'ownFolders' | 'sayOnce'> {
  readonly opened: readonly OpenRoot[];
}

/** `root`: the one that the entry lies under. */
export function isForeign(
  { folder, entry, kind }: Found,
  root: OpenRoot,
  parts: ForeignParts,
): boolean {
  const { dev, ino } = entry.status;
  if (root.mounts.size > 0 || dev !== root.status.dev) {
    const path = folder.pathOf(entry.name);
    if (dev !== root.status.dev || root.mounts.has(path.toString('latin1'))) {
      parts.sayOnce(`${toPathText(path)} is another file system and is not walked`);
      return true;
    }
  }
  if (kind !== 'folder') return false;
  if (entry.name.equals(CLONE_FOLDER)) return true;
  return (
    parts.ownFolders.some((own) => own.dev === dev && own.ino === ino) ||
    parts.opened.some(({ status }) => status.dev === dev && status.ino === ino)
  );
}
