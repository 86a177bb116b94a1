/**
 * The API's streams of JSON lines (NDJSON). Every line is an object with a `type`. A stream that is
 * whole ends with a line of type `end`; one that failed on the way ends with a `problem`; one that
 * has neither was cut off.
 */
import { z } from 'zod';
import { problemSchema } from './problem.js';

export const NDJSON_TYPE = 'application/x-ndjson';
/** No line is longer; a reader refuses one that is. */
export const LINE_BYTES_MAX = 1024 * 1024;

export const endLineSchema = z.object({
  type: z.literal('end'),
  /** Lines before this one. */
  lines: z.number().int().nonnegative(),
});
export const problemLineSchema = z.object({ type: z.literal('problem'), problem: problemSchema });

export type EndLine = z.infer<typeof endLineSchema>;
export type ProblemLine = z.infer<typeof problemLineSchema>;
