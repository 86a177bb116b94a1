/**
 * How an agent carries out a restore that it was asked for: the event names an order, and everything
 * else the agent asks for itself, sealed, as questions of its set. The order says what is wanted; pages
 * of names, digests and contents come piece by piece; reports say how far it is. JSON, bounded and
 * checked; contents are frames of shared/api/content.ts. See docs/design/restore.md.
 */
import { z } from 'zod';
import { AfterimageError } from '../errors.js';
import { conflictWords, orphanWords } from '../restore/policies.js';
import { nodeKinds } from './records.js';
import { malformed } from './bytes.js';
import { parseBounded } from './hello.js';

/** Bytes of an answer with contents or names, less what one more block or line may add. */
export const PIECE_BYTES = 768 * 1024;
/** Files in one question for contents. */
export const PIECE_ITEMS_MAX = 2000;
const PIECE_RANGES_MAX = 4000;
export const DIGESTS_MAX = 16_384;
/** Of an order: its paths are the most of it. */
export const ORDER_BYTES_MAX = 900 * 1024;
const QUESTION_BYTES_MAX = 512 * 1024;
/** Problems and planned actions that a report tells one by one. */
export const REPORTED_PROBLEMS_MAX = 100;
export const PLANNED_MAX = 400;
export const REPORT_TEXT_MAX = 2000;

const whole = z.number().int().nonnegative();
const blockNumber = z.number().int().min(0).max(0xffff_ffff);
/** `<job>-<8 hex digits>`: never given out again. */
const orderId = z.string().regex(/^[a-z0-9][a-z0-9-]{0,79}$/);

export const restoreOrderSchema = z.object({
  id: orderId,
  /** Names what the run sets aside; the same for one that goes on. */
  label: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
  point: z.number().int().positive(),
  /** When the agent took the image that the point holds, by its own clock, ms since the epoch. */
  imageMs: z.number(),
  /** As path text from the set's root; none means everything. */
  paths: z.array(z.string()),
  /** The set's own roots, or an absolute folder as path text. */
  target: z.union([z.literal('in-place'), z.strictObject({ beside: z.string().startsWith('/') })]),
  conflict: z.enum(conflictWords),
  orphans: z.enum(orphanWords),
  /** Where `move-aside` takes things: a name in each root. */
  aside: z.string().min(1).max(200),
  effect: z.enum(['write', 'plan']),
});
export type RestoreOrder = z.infer<typeof restoreOrderSchema>;

export const plannedSchema = z.object({
  action: z.string().max(20),
  path: z.string(),
  kind: z.enum(nodeKinds).optional(),
  bytes: z.number().nonnegative(),
});
export type PlannedLine = z.infer<typeof plannedSchema>;

const failure = {
  code: z.string().max(60),
  message: z.string().max(REPORT_TEXT_MAX),
};

export const restoreReportSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('running'), entries: whole, bytes: z.number().nonnegative() }),
  z.object({
    state: z.literal('done'),
    actions: z.record(z.string().max(20), whole),
    bytesWritten: z.number().nonnegative(),
    bytesCompared: z.number().nonnegative(),
    damaged: z.boolean(),
    problemCount: whole,
    problems: z.array(z.object({ path: z.string(), ...failure })).max(REPORTED_PROBLEMS_MAX),
    notes: z.array(z.string().max(REPORT_TEXT_MAX)).max(100),
    /** Of a plan, the first of each action. */
    planned: z.array(plannedSchema).max(PLANNED_MAX),
  }),
  z.object({ state: z.enum(['failed', 'cancelled']), ...failure }),
]);
export type RestoreReportMessage = z.infer<typeof restoreReportSchema>;

const itemSchema = z.object({
  node: z.number().int().positive(),
  /** [first block, number of blocks], ascending. */
  ranges: z.array(z.tuple([blockNumber, blockNumber.min(1)])),
});

const questionSchema = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('order'), order: orderId }),
  /** Lines of the walk, after so many of them. */
  z.object({ ask: z.literal('walk'), order: orderId, after: whole }),
  z.object({
    ask: z.literal('digests'),
    order: orderId,
    node: z.number().int().positive(),
    first: blockNumber,
    count: z.number().int().min(1).max(DIGESTS_MAX),
  }),
  z.object({
    ask: z.literal('read'),
    order: orderId,
    items: z
      .array(itemSchema)
      .max(PIECE_ITEMS_MAX)
      .refine(
        (items) => items.reduce((sum, item) => sum + item.ranges.length, 0) <= PIECE_RANGES_MAX,
        `more than ${PIECE_RANGES_MAX} ranges`,
      ),
    /** The agent compares blocks with their digests. */
    unchecked: z.boolean(),
  }),
  z.object({ ask: z.literal('report'), order: orderId, report: restoreReportSchema }),
]);
export type RestoreQuestion = z.infer<typeof questionSchema>;

/** Throws `argument-invalid` when it is longer than one message. */
export function encodeRestoreQuestion(question: RestoreQuestion): Buffer {
  const bytes = Buffer.from(JSON.stringify(question));
  if (bytes.length <= QUESTION_BYTES_MAX) return bytes;
  throw new AfterimageError('internal', `a question of ${bytes.length} bytes about a restore`);
}

/** Throws `frame-malformed`. */
export function decodeRestoreQuestion(bytes: Uint8Array): RestoreQuestion {
  return parseBounded(questionSchema, bytes, QUESTION_BYTES_MAX);
}

/** Throws `frame-malformed`. */
export function decodeRestoreOrder(bytes: Uint8Array): RestoreOrder {
  return parseBounded(restoreOrderSchema, bytes, ORDER_BYTES_MAX);
}

const replySchema = z.object({ wanted: z.boolean() });

/** What a report is answered with: whether the restore is wanted still. */
export function encodeReportReply(reply: z.infer<typeof replySchema>): Buffer {
  return Buffer.from(JSON.stringify(reply));
}

/** Throws `frame-malformed`. */
export function decodeReportReply(bytes: Uint8Array): z.infer<typeof replySchema> {
  return parseBounded(replySchema, bytes, 1000);
}

/** Where a reading that did not fit into one answer goes on: an item, and a block of it. */
export interface ReadPlace {
  readonly item: number;
  readonly block: number;
}

export function encodeReadPlace({ item, block }: ReadPlace): string {
  return `${item}:${block}`;
}

/** Throws `frame-malformed`. */
export function decodeReadPlace(text: string): ReadPlace {
  const match = /^(\d{1,6}):(\d{1,10})$/.exec(text);
  if (match === null) throw malformed('a place to read on from');
  return { item: Number(match[1]), block: Number(match[2]) };
}
