/** Shapes of what the API is asked to do: a sync now, a verification, a restore by the replica. */
import { z } from 'zod';
import { nodeKinds } from '../protocol/records.js';
import { pointSchema } from './points.js';
import { PATHS_MAX } from './tree.js';

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

export const restoreRequestSchema = z.object({
  /** Absolute path of a folder of the replica's machine, below one of its restore roots. */
  to: z.string().startsWith('/'),
  /** As path text from the set's root; none means everything. */
  paths: z.array(z.string()).max(PATHS_MAX).default([]),
  mode: z.enum(['fresh', 'in-place']).default('fresh'),
  extra: z.enum(['leave', 'delete']).default('leave'),
  /** `plan` writes nothing and answers with actions. */
  effect: z.enum(['write', 'plan']).default('write'),
});

const restoreCounts = z.object({
  create: z.number().int(),
  rewrite: z.number().int(),
  adjust: z.number().int(),
  replace: z.number().int(),
  link: z.number().int(),
  delete: z.number().int(),
  keep: z.number().int(),
  spare: z.number().int(),
  rename: z.number().int(),
  move: z.number().int(),
  leave: z.number().int(),
});

export const restoreProgressSchema = z.object({
  type: z.literal('progress'),
  entries: z.number().int(),
  bytes: z.number(),
});

export const restoreActionSchema = z.object({
  type: z.literal('action'),
  action: z.string(),
  path: z.string(),
  kind: z.enum(nodeKinds).optional(),
  bytes: z.number(),
  /** What an `adjust` sets. */
  metadata: z.array(z.string()).optional(),
});

export const restoredSchema = z.object({
  type: z.literal('restored'),
  actions: restoreCounts,
  bytesWritten: z.number(),
  bytesCompared: z.number(),
  problemCount: z.number().int(),
  problems: z.array(z.object({ path: z.string(), code: z.string(), message: z.string() })),
  notes: z.array(z.string()),
});

export const restoreLineSchema = z.discriminatedUnion('type', [
  restoreProgressSchema,
  restoreActionSchema,
  restoredSchema,
]);
export type RestoreLine = z.infer<typeof restoreLineSchema>;
