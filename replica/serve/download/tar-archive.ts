/** A tar file of a part of a point, made while it is read. */
import { AfterimageError } from '../../../shared/errors.js';
import type { PointView } from '../../history/set-reader.js';
import { archiveEntries, fileBytes } from './archive-entries.js';
import { gathered } from './gathered.js';
import { fitsTar, tarEnd, tarHeader, tarPadding } from './tar-header.js';

export interface ArchiveRequest {
  readonly view: PointView;
  readonly paths: readonly Buffer[];
  /** Called for each entry that is in the archive, before its content. */
  readonly onEntry?: () => void;
}

/**
 * Pieces of about 256 KiB, the first one as soon as there is an entry. Throws `not-found` before the
 * first, and `damaged` at the block that is: whoever sends it breaks the connection off.
 */
export function tarArchive(request: ArchiveRequest): AsyncGenerator<Buffer> {
  return gathered(tarPieces(request));
}

async function* tarPieces({ view, paths, onEntry }: ArchiveRequest): AsyncGenerator<Buffer> {
  for (const entry of archiveEntries(view, paths)) {
    const { version, linkTo } = entry;
    if (!fitsTar(version)) continue;
    onEntry?.();
    yield tarHeader(entry);
    if (version.kind !== 'file' || linkTo !== undefined) continue;
    let bytes = 0;
    for await (const piece of fileBytes(view, version)) {
      bytes += piece.length;
      yield piece;
    }
    if (bytes !== version.size) throw wrongSize(view, version.node);
    yield tarPadding(version.size);
  }
  yield tarEnd();
}

/** Its header says another size: the archive is worth nothing. */
export function wrongSize(view: PointView, node: number): AfterimageError {
  return new AfterimageError('damaged', `node ${node} reads back with another size`, {
    facts: { set: view.set, point: view.point, node },
  });
}
