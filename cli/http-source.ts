/** A point as a source of restores, over the API. */
import { type ContentFrame, decodeContent } from '../shared/api/content.js';
import { walkLineSchema } from '../shared/api/tree.js';
import { toPathText } from '../shared/path-text.js';
import type { ReadManner } from '../shared/restore/node-version.js';
import type {
  BlockRange,
  FolderPart,
  PointSource,
  ReadItem,
} from '../shared/restore/point-source.js';
import { partsOfLines } from '../shared/restore/walk-lines.js';
import { type ApiClient, setPath } from './api-client.js';

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
    yield* partsOfLines(lines);
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
