/** What goes into an archive, in order and lazily: parents before what is in them. */
import type { NodeVersion, PointView } from '../../history/set-reader.js';
import { walkFolders } from '../../restore/tree-order.js';
import { LinkMemory } from '../../../shared/restore/link-memory.js';
import { joinPath, splitPath } from '../../../shared/restore/set-path.js';

export interface ArchiveEntry {
  /** Within the archive: components joined by `/`, no leading or trailing slash. */
  readonly path: Buffer;
  readonly version: NodeVersion;
  /** Set when the same inode is in the archive already, under this path. */
  readonly linkTo: Buffer | undefined;
}

/**
 * Everything at and below `paths` (none: the whole set). One path is named from its last component on,
 * several from the set's root. Throws `not-found` before the first entry.
 */
export function* archiveEntries(
  view: PointView,
  paths: readonly Buffer[],
): Generator<ArchiveEntry> {
  const [only] = paths;
  const cut = paths.length === 1 && only !== undefined ? lengthBeforeLast(only) : 0;
  const links = new LinkMemory();
  for (const part of walkFolders(view, paths)) {
    for (const { name, version, way } of part.entries) {
      if (way && cut > 0) continue;
      const path = joinPath(part.path, name).subarray(cut);
      if (version.kind === 'folder') {
        yield { path, version, linkTo: undefined };
        continue;
      }
      const linkTo = links.find(version.node);
      if (linkTo === undefined) links.remember(version.node, folderOf(path), name);
      yield { path, version, linkTo };
    }
  }
}

/** Content of a file in pieces, each checked against its digests. Throws `damaged`. */
export async function* fileBytes(view: PointView, version: NodeVersion): AsyncGenerator<Buffer> {
  const small = view.readSmall?.(version.node);
  if (small === undefined) yield* view.read(version.node, { offset: 0, length: version.size });
  else if (small.bytes.length > 0) yield small.bytes;
}

function lengthBeforeLast(path: Buffer): number {
  return path.length - (splitPath(path).at(-1)?.length ?? 0);
}

function folderOf(path: Buffer): Buffer {
  const end = path.lastIndexOf(0x2f);
  return path.subarray(0, Math.max(0, end));
}
