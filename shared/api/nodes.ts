/**
 * Shapes for who walks a point by node numbers, as a mounted file system does: it holds no paths, and
 * asks for a node, for one name in a folder, or for pages of a folder with small folders below it.
 */
import { z } from 'zod';
import { LIST_LIMIT_MAX, listedNodeSchema, nodeSchema } from './tree.js';

/** How many names a node has at the point, when there is more than one. */
const links = z.number().int().min(2).optional();

export const linkedNodeSchema = nodeSchema.extend({ links });
export type LinkedNode = z.infer<typeof linkedNodeSchema>;

export const linkedEntrySchema = listedNodeSchema.extend({ links });
export type LinkedEntry = z.infer<typeof linkedEntrySchema>;

export const nodeAnswerSchema = z.object({
  set: z.string(),
  point: z.number().int(),
  node: linkedNodeSchema,
});
export type NodeAnswer = z.infer<typeof nodeAnswerSchema>;

export const entryQuerySchema = z.object({ name: z.string().min(1) });

export const folderPageSchema = z.object({
  /** Node number of the folder. */
  folder: z.number().int().positive(),
  /** By name bytes. */
  entries: z.array(linkedEntrySchema),
  /** Ask again with `after` of this; null on the last page. */
  next: z.string().nullable(),
});
export type FolderPage = z.infer<typeof folderPageSchema>;

export const entriesQuerySchema = z.object({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(LIST_LIMIT_MAX).default(1000),
  /** So many entries of whole folders below may come along, once the folder itself is complete. */
  below: z.coerce.number().int().min(0).max(LIST_LIMIT_MAX).default(0),
  /** Folders whose entries may come along after those below, by node numbers joined by commas. */
  next: z
    .string()
    .regex(/^\d{1,15}(,\d{1,15}){0,499}$/)
    .transform((text) => text.split(',').map(Number))
    .default([]),
});

/** The page asked for comes first, then whole folders: those below it, each before
 * those below it, then the same of the folders named as `next`. */
export const entriesSchema = z.object({
  set: z.string(),
  point: z.number().int(),
  folders: z.array(folderPageSchema).min(1),
});
export type EntriesAnswer = z.infer<typeof entriesSchema>;

export const pointTimesQuerySchema = z.object({
  /** Only points after this one. */
  since: z.coerce.number().int().nonnegative().default(0),
});

export const pointTimesSchema = z.object({
  set: z.string(),
  /** Of all points; when it is not what the asker comes to, some were removed. */
  count: z.number().int().nonnegative(),
  /** Ascending, as many as `timesMs`. */
  points: z.array(z.number().int().positive()),
  timesMs: z.array(z.number()),
});
export type PointTimes = z.infer<typeof pointTimesSchema>;

/** A line as long as the answer lasts: retention leaves the point alone meanwhile. */
export const keptLineSchema = z.object({ type: z.literal('kept'), point: z.number().int() });
export type KeptLine = z.infer<typeof keptLineSchema>;
