/**
 * A point as a source of restores, asked of the replica over the session of its set. Names come in
 * pages, contents in pieces of bounded size, of which a few are under way: memory does not grow with
 * the point, nor with the distance. Nothing that comes is believed: the engine checks names, and every
 * block against its digest.
 */
import { type ContentFrame, decodeContent, encodeEnd } from '../../shared/api/content.js';
import { walkLineSchema, type WalkLine } from '../../shared/api/tree.js';
import { AfterimageError } from '../../shared/errors.js';
import { DIGEST_BYTES } from '../../shared/limits.js';
import type { Answer } from '../../shared/protocol/query.js';
import {
  decodeReadPlace,
  DIGESTS_MAX,
  encodeRestoreQuestion,
  type RestoreQuestion,
} from '../../shared/protocol/restore-question.js';
import type { ReadManner } from '../../shared/restore/node-version.js';
import type {
  BlockRange,
  FolderPart,
  PointSource,
  ReadItem,
} from '../../shared/restore/point-source.js';
import { partsOfLines } from '../../shared/restore/walk-lines.js';
import { Ahead } from './ahead.js';
import { leftOf, PieceCutter, type ReadPiece } from './read-pieces.js';

/** Pieces of contents that are asked for and not used up: 768 KiB each. */
const PIECES_AHEAD = 4;

/** Asks one question; rejects when the restore is stopped. */
export type Ask = (question: Uint8Array) => Promise<Answer>;

export class WireSource implements PointSource {
  readonly set: string;
  readonly point: number;
  readonly #order: string;
  readonly #ask: Ask;

  constructor(options: {
    readonly set: string;
    readonly point: number;
    readonly order: string;
    readonly ask: Ask;
  }) {
    this.set = options.set;
    this.point = options.point;
    this.#order = options.order;
    this.#ask = options.ask;
  }

  /** Which paths are walked, and whether digests come with them, the order says at the other end. */
  walk(): AsyncIterable<FolderPart> {
    return partsOfLines(this.#lines());
  }

  async digests(node: number, { first, count }: BlockRange): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = first; at < first + count; at += DIGESTS_MAX) {
      const piece = { first: at, count: Math.min(DIGESTS_MAX, first + count - at) };
      const { bytes } = await this.#question({
        ask: 'digests',
        order: this.#order,
        node,
        ...piece,
      });
      if (bytes.length % DIGEST_BYTES !== 0 || bytes.length > piece.count * DIGEST_BYTES) {
        throw malformed('digests of another number');
      }
      parts.push(Buffer.from(bytes));
      if (bytes.length < piece.count * DIGEST_BYTES) break;
    }
    return Buffer.concat(parts);
  }

  async *read(
    items: readonly ReadItem[],
    _signal?: AbortSignal,
    check: ReadManner['check'] = 'here',
  ): AsyncGenerator<ContentFrame> {
    const unchecked = check === 'asker';
    const cutter = new PieceCutter(items);
    const ahead = new Ahead<{ readonly piece: ReadPiece; readonly answer: Answer }>(PIECES_AHEAD);
    const next = (): Promise<{ piece: ReadPiece; answer: Answer }> | undefined => {
      const piece = cutter.next();
      if (piece === undefined) return undefined;
      return this.#piece(piece, unchecked).then((answer) => ({ piece, answer }));
    };
    for await (const { piece, answer } of ahead.run(next)) {
      cutter.learn(piece, answer);
      yield* framesOf(piece, answer);
      for (let left = leftOver(piece, answer); left !== undefined;) {
        const more = await this.#piece(left, unchecked);
        yield* framesOf(left, more);
        left = leftOver(left, more);
      }
    }
  }

  #piece(piece: ReadPiece, unchecked: boolean): Promise<Answer> {
    const items = piece.items.map(({ node, ranges }) => ({
      node,
      ranges: ranges.map(({ first, count }): [number, number] => [first, count]),
    }));
    return this.#question({ ask: 'read', order: this.#order, items, unchecked });
  }

  async *#lines(): AsyncGenerator<WalkLine> {
    const page = (after: number): Promise<Answer> =>
      this.#question({ ask: 'walk', order: this.#order, after });
    let coming: Promise<Answer> | undefined = page(0);
    while (coming !== undefined) {
      const { bytes, next }: Answer = await coming;
      coming = next === null ? undefined : page(lineNumber(next));
      // It is awaited above; until then nobody listens.
      coming?.catch(() => undefined);
      if (next !== null && bytes.length === 0) throw malformed('a walk that never ends');
      for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
        if (line !== '') yield parseLine(line);
      }
    }
  }

  #question(question: RestoreQuestion): Promise<Answer> {
    return this.#ask(encodeRestoreQuestion(question));
  }
}

function lineNumber(next: string): number {
  if (!/^\d{1,15}$/.test(next)) throw malformed('a page that follows no line');
  return Number(next);
}

function parseLine(line: string): WalkLine {
  try {
    return walkLineSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw malformed('a line of a walk that does not read', cause);
  }
}

/** Frames with the numbers that the items have in the whole reading. */
async function* framesOf(piece: ReadPiece, { bytes }: Answer): AsyncGenerator<ContentFrame> {
  for await (const frame of decodeContent(chunksOf(bytes))) {
    const item = piece.items[frame.item];
    if (item === undefined) throw malformed('contents that nobody asked for');
    yield { ...frame, item: item.item };
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- an iterable of one answer
async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  yield encodeEnd();
}

function leftOver(piece: ReadPiece, { bytes, next }: Answer): ReadPiece | undefined {
  if (next === null) return undefined;
  if (bytes.length === 0) throw malformed('contents that never end');
  return leftOf(piece, decodeReadPlace(next));
}

function malformed(message: string, cause?: unknown): AfterimageError {
  return new AfterimageError('answer-malformed', message, { cause });
}
