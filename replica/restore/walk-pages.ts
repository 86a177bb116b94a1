/**
 * A walk of a point in pages of lines, for an agent that may ask for any of them again: after a break
 * of the connection the last one, after a restart of either side from the beginning.
 */
import { toPathText } from '../../shared/path-text.js';
import { PIECE_BYTES } from '../../shared/protocol/restore-question.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { PointView } from '../history/set-reader.js';
import { presentPart } from '../serve/present.js';
import { walkFolders } from './tree-order.js';

export interface WalkPage {
  readonly bytes: Buffer;
  /** Lines up to the end of the page; null when there are no more. */
  readonly next: number | null;
}

export class WalkPages {
  readonly #view: PointView;
  readonly #paths: readonly Buffer[];
  #lines: Generator<string>;
  #told = 0;
  #last: { readonly after: number; readonly page: WalkPage } | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(view: PointView, paths: readonly Buffer[]) {
    this.#view = view;
    this.#paths = paths;
    this.#lines = walkLines(view, paths);
  }

  /** The page behind so many lines. Throws `not-found` for a path that the point lacks. */
  after(count: number): Promise<WalkPage> {
    const page = this.#running.then(() => this.#page(count));
    this.#running = page.catch(() => undefined);
    return page;
  }

  async #page(after: number): Promise<WalkPage> {
    if (this.#last?.after === after) return this.#last.page;
    const slice = new TimeSlice();
    if (this.#told > after) {
      this.#lines = walkLines(this.#view, this.#paths);
      this.#told = 0;
    }
    while (this.#told < after) {
      if (this.#next() === undefined) break;
      await slice.breathe();
    }
    const lines: string[] = [];
    let length = 0;
    for (let line = this.#next(); line !== undefined; line = this.#next()) {
      lines.push(line);
      length += Buffer.byteLength(line);
      if (length >= PIECE_BYTES / 2) break;
      await slice.breathe();
    }
    const ended = length < PIECE_BYTES / 2;
    const page = { bytes: Buffer.from(lines.join('')), next: ended ? null : this.#told };
    this.#last = { after, page };
    return page;
  }

  #next(): string | undefined {
    const result = this.#lines.next();
    if (result.done === true) return undefined;
    this.#told += 1;
    return result.value;
  }
}

function* walkLines(view: PointView, paths: readonly Buffer[]): Generator<string> {
  let path: string | undefined;
  const digestsOf = (node: number): Buffer | undefined => view.smallDigests?.(node);
  for (const part of walkFolders(view, paths)) {
    const here = toPathText(part.path);
    const state = here === path ? 'more' : 'first';
    path = here;
    for (const line of presentPart(part, state, digestsOf)) yield `${JSON.stringify(line)}\n`;
  }
}
