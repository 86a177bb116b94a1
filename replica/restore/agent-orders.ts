/**
 * Restores that agents carry out, as the replica knows them: what was ordered, and the point that it
 * is read from. Answers the questions of the set's agent, and of nobody else (R21); tells
 * whoever waits what the agent reports. Orders live in memory: a job that goes on opens its own again.
 */
import {
  blocksHeadBytes,
  type ContentFrame,
  encodeBlocksHead,
  encodeFailed,
  encodeZeroRun,
} from '../../shared/api/content.js';
import { toProblem } from '../../shared/api/problem.js';
import { AfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { blockCount } from '../../shared/limits.js';
import { parsePathText } from '../../shared/path-text.js';
import type { Answer } from '../../shared/protocol/query.js';
import {
  decodeRestoreQuestion,
  encodeReadPlace,
  encodeReportReply,
  PIECE_BYTES,
  type RestoreOrder,
  type RestoreQuestion,
  type RestoreReportMessage,
} from '../../shared/protocol/restore-question.js';
import { cleanPath } from '../../shared/restore/set-path.js';
import type { PointView } from '../history/set-reader.js';
import { digestsOf, readFrames } from './content-frames.js';
import { WalkPages } from './walk-pages.js';

export interface OrderRequest {
  readonly set: string;
  readonly order: RestoreOrder;
  /** A view of the order's point, closed with the order. */
  readonly open: () => PointView;
  readonly onReport: (report: RestoreReportMessage) => void;
}

export interface OpenOrder {
  /** Milliseconds since the agent asked or told anything of it. */
  readonly silentMs: number;
  /** The agent hears with whatever it asks or tells next that nobody wants it any more. */
  callOff(): void;
  close(): void;
}

interface Entry extends OrderRequest {
  view: PointView | undefined;
  pages: WalkPages | undefined;
  wanted: boolean;
  heardMs: number;
}

export class AgentOrders {
  readonly #hash: HashCore;
  readonly #monotonic: () => number;
  readonly #orders = new Map<string, Entry>();

  constructor(options: { readonly hash: HashCore; readonly monotonic: () => number }) {
    this.#hash = options.hash;
    this.#monotonic = options.monotonic;
  }

  open(request: OrderRequest): OpenOrder {
    const entry: Entry = {
      ...request,
      view: undefined,
      pages: undefined,
      wanted: true,
      heardMs: this.#monotonic(),
    };
    const { id } = request.order;
    this.#orders.set(id, entry);
    const monotonic = this.#monotonic;
    return {
      get silentMs() {
        return monotonic() - entry.heardMs;
      },
      callOff: () => {
        entry.wanted = false;
      },
      close: () => {
        this.#orders.delete(id);
        entry.view?.close();
        entry.view = undefined;
      },
    };
  }

  /** Throws `restore-unknown`, `cancelled` when it was called off, `frame-malformed`, and what reading throws. */
  async answer(set: string, bytes: Uint8Array): Promise<Answer> {
    const question = decodeRestoreQuestion(bytes);
    const entry = this.#orders.get(question.order);
    if (entry?.set !== set) {
      throw new AfterimageError('restore-unknown', `no restore ${question.order} is under way`);
    }
    entry.heardMs = this.#monotonic();
    if (!entry.wanted && question.ask !== 'report') {
      throw new AfterimageError('cancelled', 'the restore was called off');
    }
    switch (question.ask) {
      case 'order':
        return whole(Buffer.from(JSON.stringify(entry.order)));
      case 'report':
        entry.onReport(question.report);
        return whole(encodeReportReply({ wanted: entry.wanted }));
      case 'walk':
        return await this.#walk(entry, question.after);
      case 'digests':
        return whole(this.#digests(entry, question));
      case 'read':
        return await this.#read(entry, question);
    }
  }

  async #walk(entry: Entry, after: number): Promise<Answer> {
    const view = viewOf(entry);
    entry.pages ??= new WalkPages(
      view,
      entry.order.paths.map((path) => cleanPath(parsePathText(path))),
    );
    const { bytes, next } = await entry.pages.after(after);
    return { bytes, total: bytes.length, next: next === null ? null : String(next) };
  }

  #digests(entry: Entry, { node, first, count }: RestoreQuestion & { ask: 'digests' }): Buffer {
    const view = viewOf(entry);
    const end = Math.min(blockCount(view.version(node)?.size ?? 0), first + count);
    if (end <= first) return Buffer.alloc(0);
    return digestsOf(view, node, { first, count: end - first });
  }

  async #read(
    entry: Entry,
    { items, unchecked }: RestoreQuestion & { ask: 'read' },
  ): Promise<Answer> {
    const asked = items.map(({ node, ranges }) => ({
      node,
      ranges: ranges.map(([first, count]) => ({ first, count })),
    }));
    const parts: Buffer[] = [];
    let total = 0;
    const manner = { shape: 'blocks', check: unchecked ? 'asker' : 'here' } as const;
    for await (const frame of readFrames(viewOf(entry), this.#hash, asked, manner)) {
      if (total >= PIECE_BYTES) {
        return { bytes: Buffer.concat(parts), total, next: encodeReadPlace(frame) };
      }
      for (const part of encoded(frame)) {
        parts.push(part);
        total += part.length;
      }
    }
    return whole(Buffer.concat(parts));
  }
}

function viewOf(entry: Entry): PointView {
  entry.view ??= entry.open();
  return entry.view;
}

function whole(bytes: Buffer): Answer {
  return { bytes, total: bytes.length, next: null };
}

function encoded(frame: ContentFrame): Buffer[] {
  switch (frame.type) {
    case 'zero':
      return [encodeZeroRun(frame)];
    case 'failed':
      return [encodeFailed({ ...frame, problem: toProblem(frame.error) })];
    default: {
      const head = Buffer.allocUnsafe(blocksHeadBytes(frame.bytes.length));
      encodeBlocksHead(frame, head);
      return [head, Buffer.from(frame.bytes)];
    }
  }
}
