/** What planning one sync of a set needs. */
import type { Clock } from '../../shared/clock.js';
import type { Journal } from '../journal/journal.js';
import type { RangeSource } from '../ranges/range-source.js';
import type { NodeRow } from '../state/node-row.js';
import type { AgentState } from '../state.js';
import type { ContentParts } from './content-request.js';
import type { Findings } from './findings.js';
import type { RootPath } from './open-roots.js';
import type { PathFilter } from './path-filter.js';
import type { SuspectFiles } from './suspect-files.js';

export interface PlanParts extends ContentParts {
  readonly roots: readonly RootPath[];
  readonly filter: PathFilter;
  readonly findings: Findings;
  /** `clone`: the roots are a snapshot, in which nothing moves. The live files when left out. */
  readonly holds?: 'live' | 'clone';
  readonly clock: Clock;
  /** What was reported, and no point has yet. */
  readonly journal?: Pick<Journal, 'since'>;
  /** Tells the operator something that need not be repeated at every sync. */
  readonly sayOnce: (message: string) => void;
  /** Files that could not be read to their end when something was said of them already. */
  readonly suspects?: SuspectFiles;
  /** Files of points that are not in the roots; undefined where nothing places any. */
  readonly placed?: PlacedRows | undefined;
  /** Folders that are never walked: the agent's own data. */
  readonly ownFolders: readonly FolderIdentity[];
  /** Where large files may have changed; undefined: they are hashed whole. */
  readonly ranges?: RangeSource | undefined;
}

/** Tells rows of files that points have and roots do not. */
export interface PlacedRows {
  isOurs(row: NodeRow, state: Pick<AgentState, 'device'>): boolean;
}

/** Folders of this name hold what agents need on the file system of a root: nobody walks them. */
export const CLONE_FOLDER = Buffer.from('.afterimage');

export interface FolderIdentity {
  readonly dev: number;
  readonly ino: bigint;
}

/**
 * A change within this of a look may leave no trace in ctime: the clock of file times ticks every
 * 4 ms on usual kernels, 10 ms on slow ones, and lags further while the machine is busy.
 */
const TICK_NS = 30_000_000n;
const SECOND_NS = 1_000_000_000n;
/** File systems that keep whole seconds, or every second one (ext4 with small inodes, NFS, FAT). */
const COARSE_TICK_NS = 2n * SECOND_NS;

/** True when a file of this ctime may change after `lookedMs` without its ctime moving (R16). */
export function isYoung(ctimeNs: bigint, lookedMs: number): boolean {
  const tickNs = ctimeNs % SECOND_NS === 0n ? COARSE_TICK_NS : TICK_NS;
  return ctimeNs >= BigInt(Math.floor(lookedMs)) * 1_000_000n - tickNs;
}
