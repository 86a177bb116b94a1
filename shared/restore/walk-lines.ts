/** The parts of a walk, out of the lines in which it travels. */
import { fromNodeJson, type WalkLine } from '../api/tree.js';
import { AfterimageError } from '../errors.js';
import { parsePathText } from '../path-text.js';
import { type FolderPart, PART_ENTRIES_MAX, type SourceEntry } from './point-source.js';

type FolderLine = WalkLine & { readonly type: 'folder' };

/** Throws `answer-malformed` for an entry before any folder, and what `lines` throws. */
export async function* partsOfLines(lines: AsyncIterable<WalkLine>): AsyncGenerator<FolderPart> {
  let folder: FolderLine | undefined;
  let entries: SourceEntry[] = [];
  for await (const line of lines) {
    if (line.type === 'folder') {
      if (folder !== undefined) yield partOf(folder, entries, 'last');
      folder = line;
      entries = [];
      continue;
    }
    if (folder === undefined) throw misplaced(line.path);
    entries.push(entryOf(line));
    if (entries.length < PART_ENTRIES_MAX) continue;
    yield partOf(folder, entries, 'more');
    entries = [];
  }
  if (folder !== undefined) yield partOf(folder, entries, 'last');
}
function partOf(
  folder: FolderLine,
  entries: readonly SourceEntry[],
  place: 'more' | 'last',
): FolderPart {
  return {
    path: parsePathText(folder.path),
    node: folder.node,
    way: folder.way === true,
    entries,
    last: place === 'last',
  };
}

function entryOf(line: WalkLine & { readonly type: 'entry' }): SourceEntry {
  const path = parsePathText(line.path);
  return {
    name: path.subarray(path.lastIndexOf(0x2f) + 1),
    version: fromNodeJson(line),
    way: line.way === true,
    ...(line.digests === undefined ? {} : { digests: Buffer.from(line.digests, 'base64') }),
  };
}

function misplaced(path: string): AfterimageError {
  return new AfterimageError('answer-malformed', `${path} came outside a folder`);
}
