/** Shapes of what the API is asked to do: a sync now, a verification. */
import { z } from 'zod';
import { pointSchema } from './points.js';

export const WAIT_MS_MAX = 24 * 3600 * 1000;

export const syncRequestSchema = z.object({
  /** Wait at most this long for the point; 0 only asks. */
  waitMs: z.number().int().min(0).max(WAIT_MS_MAX).default(0),
});

export const syncAnswerSchema = z.object({
  set: z.string(),
  /** The point that the sync became; null when not waited for. */
  point: pointSchema.nullable(),
});
export type SyncAnswer = z.infer<typeof syncAnswerSchema>;

export const verifyRequestSchema = z.object({
  /** A point selector; every point when left out. */
  point: z.string().optional(),
  /** `data` reads every block; `index` only compares what the index says with itself. */
  depth: z.enum(['index', 'data']).default('index'),
});

export const verifyProgressSchema = z.object({
  type: z.literal('progress'),
  point: z.number().int(),
  pointsDone: z.number().int(),
  pointsTotal: z.number().int(),
  entries: z.number().int(),
  bytes: z.number(),
});

export const verifyFindingSchema = z.object({
  type: z.literal('finding'),
  /** `damaged`: bytes that do not match their digest. `index`: the index contradicts itself. */
  finding: z.enum(['damaged', 'index']),
  point: z.number().int(),
  path: z.string().optional(),
  block: z.number().int().optional(),
  message: z.string(),
});

export const verifyLineSchema = z.discriminatedUnion('type', [
  verifyProgressSchema,
  verifyFindingSchema,
]);
export type VerifyLine = z.infer<typeof verifyLineSchema>;
export type VerifyFinding = z.infer<typeof verifyFindingSchema>;
