/** Shapes of the comparison of a text file's content at two points, line by line. */
import { z } from 'zod';

/** Larger files are not compared. */
export const TEXT_BYTES_MAX = 1024 * 1024;
/** Lines of all hunks together. */
export const TEXT_DIFF_LINES_MAX = 20_000;

/** `from` and `to` are point selectors; the newer state is to the right, usually. */
export const textDiffQuerySchema = z.object({
  path: z.string(),
  from: z.string(),
  to: z.string(),
  /** Its path at `to`, where the file was renamed. */
  toPath: z.string().optional(),
  /** Unchanged lines around each change. */
  context: z.coerce.number().int().min(0).max(100).default(3),
});

/** `absent`: nothing is at this path then; `other`: a folder, a link or a special file. */
export const textSideStates = ['text', 'binary', 'too-large', 'absent', 'other'] as const;
export const textSideSchema = z.object({
  point: z.number().int(),
  path: z.string(),
  state: z.enum(textSideStates),
  /** Bytes; 0 when absent. */
  size: z.number(),
  /** Bytes that are no UTF-8 are shown as U+FFFD. */
  replaced: z.boolean(),
});
export type TextSide = z.infer<typeof textSideSchema>;

export const textDiffLineSchema = z.object({
  type: z.enum(['same', 'removed', 'added']),
  text: z.string(),
  /** Line numbers from 1; null on the side that lacks the line. */
  from: z.number().int().nullable(),
  to: z.number().int().nullable(),
  /** The file ends here, without a newline. */
  noNewline: z.literal(true).optional(),
});
export type TextDiffLine = z.infer<typeof textDiffLineSchema>;

export const textHunkSchema = z.object({
  fromLine: z.number().int(),
  fromLines: z.number().int(),
  toLine: z.number().int(),
  toLines: z.number().int(),
  lines: z.array(textDiffLineSchema),
});

export const textDiffSchema = z.object({
  set: z.string(),
  from: textSideSchema,
  to: textSideSchema,
  /**
   * `differs` has hunks. `not-compared`: a side is no text or too large; `gave-up`: the files differ
   * so much that it would take too long. Whether their bytes are the same is in `sameBytes`.
   */
  result: z.enum(['same', 'differs', 'not-compared', 'gave-up']),
  /** Null where only one side is a file. */
  sameBytes: z.boolean().nullable(),
  added: z.number().int(),
  removed: z.number().int(),
  hunks: z.array(textHunkSchema),
  /** Further hunks were left out. */
  truncated: z.boolean(),
});
export type TextDiffAnswer = z.infer<typeof textDiffSchema>;
