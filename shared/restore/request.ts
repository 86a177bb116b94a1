/** What a restore is asked to do, what it tells on the way, and what it says at the end. */
import type { AfterimageError } from '../errors.js';
import type { NodeKind } from '../protocol/records.js';
import type { MetadataWord } from './plan.js';
import type { ConflictPolicy, OrphanPolicy } from './policies.js';

/** Where the roots of the set go. */
export type RestoreTarget =
  /** `folder`/<root name>. */
  | { readonly type: 'folder'; readonly folder: Buffer }
  /** The same below a folder that the caller opened, and closes. */
  | { readonly type: 'opened'; readonly fd: number }
  /** Absolute paths by root name, usually where they came from. */
  | { readonly type: 'roots'; readonly roots: ReadonlyMap<string, Buffer> };

export interface RestoreRequest {
  readonly target: RestoreTarget;
  /** `fresh`: the target folder is missing or empty. `in-place`: rewrites what differs. */
  readonly mode: 'fresh' | 'in-place';
  /** What stands where the point has something else; `overwrite` when left out. */
  readonly conflict?: ConflictPolicy;
  /** What the point lacks, below restored folders. */
  readonly orphans: OrphanPolicy;
  /** Names the run, as a part of file names; the same for one that goes on. Needed to set aside. */
  readonly label?: string;
  /** `plan` writes nothing and only tells what would be done. */
  readonly effect: 'write' | 'plan';
  /** Only these, as paths from the set's root; none means everything. */
  readonly paths: readonly Buffer[];
}

export const actionWords = [
  'create',
  'rewrite',
  'adjust',
  'replace',
  'link',
  'delete',
  'keep',
  /** Something else than the point has, left by the policy of conflicts. */
  'spare',
  /** As `replace`, but what was there has another name now. */
  'rename',
  /** What the point lacks, moved aside. */
  'move',
  /** What the point lacks, left. */
  'leave',
] as const;
export type ActionWord = (typeof actionWords)[number];

/** One thing that is done, or would be done. */
export interface RestoreAction {
  readonly action: ActionWord;
  /** From the set's root. */
  readonly path: Buffer;
  readonly kind: NodeKind | undefined;
  /** Bytes of content to write. */
  readonly bytes: number;
  /** What an `adjust` sets. */
  readonly metadata?: readonly MetadataWord[];
}

export interface RestoreProgress {
  readonly entries: number;
  /** Bytes of content in their place: written, compared and found equal, or zero. */
  readonly bytes: number;
}

export interface RestoreProblem {
  readonly path: Buffer;
  readonly error: AfterimageError;
}

export interface RestoreReport {
  readonly actions: Readonly<Record<ActionWord, number>>;
  readonly bytesWritten: number;
  readonly bytesCompared: number;
  /** The first `PROBLEMS_KEPT`; `problemCount` counts all. */
  readonly problems: readonly RestoreProblem[];
  readonly problemCount: number;
  /** Some stored bytes did not match their digest. */
  readonly damaged: boolean;
  /** What could not be carried over, once for the whole restore. */
  readonly notes: readonly string[];
}

export const PROBLEMS_KEPT = 1000;

export interface RestoreListener {
  onAction?(action: RestoreAction): void;
  onProgress?(progress: RestoreProgress): void;
}
