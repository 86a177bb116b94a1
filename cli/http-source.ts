/** A point as a source of restores, over the API. */
import { type ContentFrame, decodeContent } from '../shared/api/content.js';
import { fromNodeJson, walkLineSchema, type WalkLine } from '../shared/api/tree.js';
import { AfterimageError } from '../shared/errors.js';
import { parsePathText, toPathText } from '../shared/path-text.js';
import {
  type BlockRange,
  type FolderPart,
  PART_ENTRIES_MAX,
  type PointSource,
  type ReadItem,
  type SourceEntry,
} from '../shared/restore/point-source.js';
import type { ReadManner } from '../shared/restore/node-version.js';
import { type ApiClient, setPath } from './api-client.js';

type FolderLine = WalkLine & { readonly type: 'folder' };

/** Cancelling is the client's signal; those of single calls are not looked at. */
export class HttpSource implements PointSource {
  readonly set: string;
  readonly point: number;
  readonly #api: ApiClient;

  constructor(api: ApiClient, at: { readonly set: string; readonly point: number }) {
    this.#api = api;
    this.set = at.set;
    this.point = at.point;
  }

  async *walk(
    paths: readonly Buffer[],
    _signal?: AbortSignal,
    digests?: 'small',
  ): AsyncGenerator<FolderPart> {
    const lines = this.#api.lines(walkLineSchema, {
      path: this.#path('walk'),
      query: { path: paths.map(toPathText), digests },
    });
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

  async digests(node: number, range: BlockRange): Promise<Buffer> {
    return this.#api.bytes({ path: this.#path('digests', String(node)), query: { ...range } });
  }

  async *read(
    items: readonly ReadItem[],
    _signal?: AbortSignal,
    check: ReadManner['check'] = 'here',
  ): AsyncGenerator<ContentFrame> {
    const body = {
      runs: true,
      ...(check === 'asker' ? { unchecked: true } : {}),
      items: items.map(({ node, ranges }) => ({
        node,
        ...(ranges === undefined
          ? {}
          : { ranges: ranges.map(({ first, count }) => [first, count]) }),
      })),
    };
    yield* decodeContent(this.#api.chunks({ path: this.#path('content'), body }));
  }

  #path(...rest: readonly string[]): string {
    return setPath(this.set, 'points', String(this.point), ...rest);
  }
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
