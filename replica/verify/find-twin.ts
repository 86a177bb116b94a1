/**
 * Finds a whole copy of a block by its digest: in the base, the attic and the packs of the set, and
 * of the other sets of the same agent, never of others (R21). Rows of `locate` lead to places that
 * had such a block once; the bytes' own digest decides (R27).
 */
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { digestPrefix } from '../stage/staged-block.js';
import { blockVersions, bodyRow, type VersionSource } from './block-versions.js';

/** Places that are looked at for one digest. */
const HINTS_MAX = 256;

export interface WantedBlock {
  readonly digest: Buffer;
  readonly lengthBytes: number;
}

/** The block's bytes, checked, or undefined. `sources` are looked at in order. */
export function findTwin(
  sources: readonly VersionSource[],
  wanted: WantedBlock,
): Buffer | undefined {
  const [own] = sources;
  if (own === undefined) return undefined;
  if (isZeroBlock(own.core, wanted)) return Buffer.alloc(wanted.lengthBytes);
  for (const source of sources) {
    const found = findIn(source, wanted.digest);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isZeroBlock(core: HashCore, { digest, lengthBytes }: WantedBlock): boolean {
  return zeroDigest(core, lengthBytes).equals(digest);
}

function findIn(source: VersionSource, digest: Buffer): Buffer | undefined {
  const hints = source.index.all<{ body: number; block: number }>(
    `SELECT body, block FROM locate WHERE prefix = ? LIMIT ${HINTS_MAX}`,
    digestPrefix(digest),
  );
  for (const { body, block } of hints) {
    const row = bodyRow(source.index, body);
    if (row === undefined) continue;
    for (const version of blockVersions(source, row, block)) {
      if (version.bytes !== undefined && version.digest.equals(digest)) return version.bytes;
    }
  }
  return undefined;
}
