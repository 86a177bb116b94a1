/** What a job of kind `restore` is asked for: a point, or paths of it, back on the host or the replica. */
import { z } from 'zod';
import { PATHS_MAX } from './tree.js';

export const restoreJobSchema = z.object({
  /** A point selector; settled when the job is asked for. */
  point: z.string(),
  /** As path text from the set's root; none means everything. */
  paths: z.array(z.string()).max(PATHS_MAX).default([]),
  /** Who writes: the replica, below its restore roots, or the set's agent. */
  where: z.enum(['replica', 'agent']),
  /**
   * Where the set came from, or an absolute folder of the agent's host below its `restore.folders`
   * (`beside`); an absolute folder of the replica's machine below its restore roots (`folder`).
   */
  target: z.union([
    z.literal('in-place'),
    z.strictObject({ beside: z.string().min(1) }),
    z.strictObject({ folder: z.string().startsWith('/') }),
  ]),
  /** When something else stands where a file goes. */
  conflict: z.enum(['overwrite', 'keep-newer', 'keep-existing', 'rename']).default('overwrite'),
  /** What the point lacks, below what is restored. */
  orphans: z.enum(['leave', 'delete', 'move-aside']).default('leave'),
  /** What `move-aside` moves things to: a folder of this name in each root; named for the job if not told. */
  aside: z
    .string()
    .regex(/^[^/]{1,200}$/)
    .refine((name) => name !== '.' && name !== '..', 'a name that is not . or ..')
    .optional(),
  /** Says what would be done and writes nothing. */
  dryRun: z.boolean().default(false),
  /** A sync first, so that the restore can be taken back. */
  undoPoint: z.boolean().default(true),
  /** How long that point is held, unless somebody releases it. */
  undoDays: z.number().int().min(1).max(3650).default(30),
});
export type RestoreJobRequest = z.infer<typeof restoreJobSchema>;
