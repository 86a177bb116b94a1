/** A point as a source of restores, read straight from the history in this process. */
import type { ContentFrame } from '../../shared/api/content.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { blockCount } from '../../shared/limits.js';
import { throwIfCancelled } from '../../shared/restore/cancelled.js';
import type {
  BlockRange,
  FolderPart,
  PointSource,
  ReadItem,
} from '../../shared/restore/point-source.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { PointView, ReadManner } from '../history/set-reader.js';
import { digestsOf, type FrameManner, readFrames } from './content-frames.js';
import { walkFolders } from './tree-order.js';

/** The view stays the caller's to close. */
export class ViewSource implements PointSource {
  readonly set: string;
  readonly point: number;
  readonly #view: PointView;
  readonly #hash: HashCore;

  constructor(view: PointView, hash: HashCore) {
    this.set = view.set;
    this.point = view.point;
    this.#view = view;
    this.#hash = hash;
  }

  async *walk(paths: readonly Buffer[], signal: AbortSignal): AsyncGenerator<FolderPart> {
    const slice = new TimeSlice();
    for (const part of walkFolders(this.#view, paths)) {
      await slice.breathe();
      throwIfCancelled(signal);
      yield part;
    }
  }

  digests(node: number, range: BlockRange): Promise<Buffer> {
    const version = this.#view.version(node);
    const end = Math.min(blockCount(version?.size ?? 0), range.first + range.count);
    if (end <= range.first) return Promise.resolve(Buffer.alloc(0));
    return Promise.resolve(
      digestsOf(this.#view, node, { first: range.first, count: end - range.first }),
    );
  }

  async *read(
    items: readonly ReadItem[],
    signal: AbortSignal,
    check: ReadManner['check'] = 'here',
  ): AsyncGenerator<ContentFrame> {
    const manner: FrameManner = { shape: 'runs', check };
    for await (const frame of readFrames(this.#view, this.#hash, items, manner)) {
      throwIfCancelled(signal);
      yield frame;
    }
  }
}
