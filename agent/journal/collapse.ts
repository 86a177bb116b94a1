/** Which subtrees of an overfull journal become gaps: the fullest, as deep as serves. Pure. */

const SLASH = 0x2f;

/**
 * Folders that together hold enough of `paths` to leave at most `keepMax`. The empty folder, the
 * whole set, is the last resort.
 */
export function chooseCollapse(paths: Iterable<Buffer>, keepMax: number): Buffer[] {
  const counts = new Map<string, number>();
  let total = 0;
  for (const path of paths) {
    total += 1;
    const folder = folderOf(path);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  while (counts.size > 0) {
    const fullest = [...counts].sort((a, b) => b[1] - a[1]);
    const worth = fullest.filter(([, count]) => count > 1);
    const chosen = take(worth, total - keepMax);
    // Many folders with a path or two each: their parents are what changes.
    if (chosen !== undefined && chosen.length <= Math.max(16, keepMax / 4)) return chosen;
    if (counts.size === 1 && counts.has('')) break;
    lift(counts);
  }
  return [Buffer.alloc(0)];
}

function take(folders: readonly [string, number][], wanted: number): Buffer[] | undefined {
  const chosen: Buffer[] = [];
  let left = wanted;
  for (const [folder, count] of folders) {
    if (left <= 0) break;
    chosen.push(Buffer.from(folder, 'latin1'));
    left -= count;
  }
  return left <= 0 ? chosen : undefined;
}

/** Counts by the parents of the folders counted so far. */
function lift(counts: Map<string, number>): void {
  const entries = [...counts];
  counts.clear();
  for (const [folder, count] of entries) {
    const parent = folder.slice(0, Math.max(0, folder.lastIndexOf('/')));
    counts.set(parent, (counts.get(parent) ?? 0) + count);
  }
}

function folderOf(path: Buffer): string {
  const slash = path.lastIndexOf(SLASH);
  return slash < 0 ? '' : path.toString('latin1', 0, slash);
}
