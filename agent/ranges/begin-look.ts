/** One look at a file through a set's source of ranges, its basis kept with the digest rows. */
import type { FileStatus } from '../../shared/posix/posix.js';
import type { NodeRow } from '../state/node-row.js';
import type { AgentState } from '../state.js';
import type { RangeLook, RangeSource } from './range-source.js';

export interface FileToRead {
  readonly node: number;
  readonly fd: number;
  readonly holds: 'live' | 'clone';
  /** Of the live file. */
  readonly status: FileStatus;
  /** What the state says of the node; undefined when it is new. */
  readonly before: NodeRow | undefined;
}

/**
 * To be called before the first byte is read. From then on the rows of the file have no basis, until
 * `end` says that they describe what was read.
 */
export async function beginLook(
  { ranges, state }: { readonly ranges?: RangeSource | undefined; readonly state: AgentState },
  { before, ...file }: FileToRead,
): Promise<RangeLook> {
  const basis = before === undefined ? undefined : state.bases.get(file.node);
  const look = await ranges?.begin({ ...file, basis, knownSize: before?.size ?? 0 });
  if (basis !== undefined) state.bases.remove(file.node);
  if (look === undefined) return wholeLook(file);
  return {
    ...look,
    // Rows that are of no look tell nothing to build on, whatever a source answers.
    ranges: basis === undefined ? undefined : look.ranges,
    end(result) {
      look.end(result);
      if (result === 'said' && look.basis !== undefined) state.bases.set(file.node, look.basis);
    },
  };
}

function wholeLook({ fd, holds, status }: Omit<FileToRead, 'before'>): RangeLook {
  const nothing = (): void => undefined;
  return { fd, holds, status, steady: true, ranges: undefined, basis: undefined, end: nothing };
}
