/** Finds where the index contradicts itself. */
import { messageOf } from '../../shared/errors.js';
import { blockCount, DIGEST_BYTES } from '../../shared/limits.js';
import { isEntryName } from '../../shared/protocol/records.js';
import type { NodeVersion, PointSummary, PointView } from '../history/set-reader.js';
import { nextChain } from '../../shared/protocol/manifest.js';
import type { SourceEntry } from '../../shared/restore/point-source.js';

/** Blocks whose digests are looked up at once. */
const LOOKUP_BLOCKS = 4096;

/** What is wrong with an entry, or undefined. */
export function entryContradiction(view: PointView, entry: SourceEntry): string | undefined {
  const { name, version } = entry;
  if (!isEntryName(name)) return 'its name is no name of an entry';
  const known = view.version(version.node);
  if (known === undefined) return `its node ${version.node} does not exist at this point`;
  const { kind, size, born } = version;
  if (known.kind !== kind || known.size !== size || known.born !== born) {
    return `its node ${version.node} is another version when looked up by itself`;
  }
  if (version.born > view.point) return `its node is newer than the point`;
  return version.kind === 'file' ? digestContradiction(view, version) : undefined;
}

function digestContradiction(view: PointView, { node, size }: NodeVersion): string | undefined {
  const blocks = blockCount(size);
  for (let first = 0; first < blocks; first += LOOKUP_BLOCKS) {
    const count = Math.min(LOOKUP_BLOCKS, blocks - first);
    let next = first;
    try {
      for (const run of view.digests(node, { first, count })) {
        if (run.block !== next) return `no digest is known of block ${next}`;
        next += run.digests.length / DIGEST_BYTES;
      }
    } catch (error) {
      return `digests of blocks ${first} to ${first + count - 1}: ${messageOf(error)}`;
    }
    if (next !== first + count) return `no digest is known of block ${next}`;
  }
  return undefined;
}

/**
 * What is wrong with a point's place in the chain of points, or undefined (R13). Dates may go back:
 * they are the clock's, which may be set (R20); the order is that of the numbers.
 */
export function chainContradiction(
  previous: PointSummary | undefined,
  point: PointSummary,
): string | undefined {
  if (point.chain.length !== 32 || point.manifest.length !== 32) {
    return 'its chain or manifest digest is not 32 bytes';
  }
  if (point.incarnation === undefined || previous?.point !== point.point - 1) return undefined;
  return nextChain(previous.chain, point.manifest, point.incarnation).equals(point.chain)
    ? undefined
    : `its chain digest does not follow from point ${previous.point}`;
}
