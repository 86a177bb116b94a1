/** Shapes of the audit: what operators did through the API. Entries are never changed or removed. */
import { z } from 'zod';

export const auditEntrySchema = z.object({
  /** Counts up by one. */
  id: z.number().int().positive(),
  timeMs: z.number(),
  who: z.string(),
  /** Null where nobody was known, as in a login that failed. */
  role: z.string().nullable(),
  address: z.string(),
  /** What was done: `sync`, `restore`, `token.create` … */
  action: z.string(),
  set: z.string().nullable(),
  point: z.string().nullable(),
  /** More of it: paths, a name, how often a read was repeated. */
  detail: z.string(),
  /** HTTP status of the answer. */
  status: z.number().int(),
  /** Code of the problem; null when it went well. */
  code: z.string().nullable(),
  /** SHA-256 over the digest of the entry before and this one, in hex. */
  digest: z.string().length(64),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

const filters = {
  who: z.string().optional(),
  action: z.string().optional(),
  set: z.string().optional(),
  fromMs: z.coerce.number().optional(),
  toMs: z.coerce.number().optional(),
};

/** Newest first. */
export const auditQuerySchema = z.object({
  ...filters,
  /** Only entries with a smaller id. */
  before: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
export const auditSchema = z.object({
  entries: z.array(auditEntrySchema),
  /** The `before` of the next page; null on the last. */
  next: z.number().int().nullable(),
  /** The newest entry as it was noted outside the database; null where it is not. */
  notedHead: z.object({ id: z.number().int(), digest: z.string() }).nullable(),
  /** Entries in memory that could not be written yet, and those that were lost. */
  waiting: z.number().int(),
  dropped: z.number().int(),
});
export type AuditAnswer = z.infer<typeof auditSchema>;

/** Oldest first: lines of JSON, each an entry with `type: "entry"`, or CSV with a header. */
export const auditExportQuerySchema = z.object({
  ...filters,
  format: z.enum(['ndjson', 'csv']).default('ndjson'),
});
export const auditLineSchema = auditEntrySchema.extend({ type: z.literal('entry') });
export type AuditLine = z.infer<typeof auditLineSchema>;
