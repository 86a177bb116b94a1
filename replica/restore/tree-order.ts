/**
 * Walks a point a folder at a time: a folder's entries together, then each subfolder in turn. That is
 * the order in which a restore can merge a folder with what is on disk, and finish it.
 */
import { AfterimageError } from '../../shared/errors.js';
import { toPathText } from '../../shared/path-text.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import {
  type FolderPart,
  PART_ENTRIES_MAX,
  type SourceEntry,
} from '../../shared/restore/point-source.js';
import { joinPath, splitPath } from '../../shared/restore/set-path.js';
import type { PointView } from '../history/set-reader.js';

/** The asked paths as a tree; `whole` ends a path. */
interface Asked {
  whole: boolean;
  /** By name, as latin1 text so that order and identity are those of the bytes. */
  readonly children: Map<string, Asked>;
}

interface PendingFolder {
  readonly path: Buffer;
  readonly node: number;
  /** Undefined when everything below is asked. */
  readonly asked: Asked | undefined;
}

/** See `FolderPart`. Throws `not-found` for a path that the point lacks. */
export function* walkFolders(view: PointView, paths: readonly Buffer[]): Generator<FolderPart> {
  const asked = paths.length === 0 ? undefined : askedTree(view, paths);
  const pending: PendingFolder[] = [
    { path: Buffer.alloc(0), node: SET_NODE, asked: asked?.whole === true ? undefined : asked },
  ];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const below: PendingFolder[] = [];
    yield* folder.asked === undefined
      ? wholeFolder(view, folder, below)
      : wayFolder(view, folder, folder.asked, below);
    for (const child of below.reverse()) pending.push(child);
  }
}

function* wholeFolder(
  view: PointView,
  folder: PendingFolder,
  below: PendingFolder[],
): Generator<FolderPart> {
  let after: Buffer | undefined;
  for (;;) {
    const page = view.list(folder.node, {
      limit: PART_ENTRIES_MAX,
      ...(after === undefined ? {} : { after }),
    });
    const entries = page.map(({ name, version }) => ({ name, version, way: false }));
    for (const { name, version } of entries) {
      if (version.kind !== 'folder') continue;
      below.push({ path: joinPath(folder.path, name), node: version.node, asked: undefined });
    }
    const last = page.length < PART_ENTRIES_MAX;
    yield { path: folder.path, node: folder.node, way: false, entries, last };
    if (last) return;
    after = page.at(-1)?.name;
  }
}

function* wayFolder(
  view: PointView,
  folder: PendingFolder,
  asked: Asked,
  below: PendingFolder[],
): Generator<FolderPart> {
  const entries: SourceEntry[] = [];
  const names = [...asked.children.keys()].sort();
  for (const key of names) {
    const child = asked.children.get(key);
    const name = Buffer.from(key, 'latin1');
    const path = joinPath(folder.path, name);
    const version = view.resolve(path);
    if (child === undefined || version === undefined) continue;
    entries.push({ name, version, way: !child.whole });
    if (version.kind !== 'folder') continue;
    below.push({ path, node: version.node, asked: child.whole ? undefined : child });
  }
  yield { path: folder.path, node: folder.node, way: true, entries, last: true };
}

function askedTree(view: PointView, paths: readonly Buffer[]): Asked {
  const root: Asked = { whole: false, children: new Map() };
  for (const path of paths) {
    if (view.resolve(path) === undefined) {
      throw new AfterimageError('not-found', `${toPathText(path)} is not in point ${view.point}`, {
        facts: { set: view.set, point: view.point, path: toPathText(path) },
      });
    }
    let at = root;
    for (const name of splitPath(path)) {
      const key = name.toString('latin1');
      const child = at.children.get(key) ?? { whole: false, children: new Map<string, Asked>() };
      at.children.set(key, child);
      at = child;
    }
    at.whole = true;
  }
  return root;
}
