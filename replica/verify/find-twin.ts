/**
 * Finds a whole copy of a block by its digest: in the base, the attic and the packs of the set, and
 * of the other sets of the same agent, never of others (R21). Hints lead to places that may have
 * such a block; the bytes' own digest decides (R27).
 */
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { digestPrefix } from '../stage/staged-block.js';
import { blockVersions, bodyRow, type VersionSource } from './block-versions.js';
import type { BlockPlace, HistoryHints } from './history-hints.js';

/** Places that are looked at for one digest, of each kind of hint. */
const HINTS_MAX = 256;

export interface TwinSource extends VersionSource {
  /** Name of the set. */
  readonly name: string;
}

export interface WantedBlock extends BlockPlace {
  readonly digest: Buffer;
  readonly lengthBytes: number;
}

export interface TwinPlaces {
  /** The set itself, which the wanted block is of, and others to look at after it. */
  readonly own: TwinSource;
  readonly siblings: readonly TwinSource[];
  /** Undefined: only newest contents are looked at, and the block's own history. */
  readonly hints: HistoryHints | undefined;
}

/** The block's bytes, checked, or undefined. */
export async function findTwin(
  places: TwinPlaces,
  wanted: WantedBlock,
): Promise<Buffer | undefined> {
  const { own, siblings } = places;
  if (isZeroBlock(own.core, wanted)) return Buffer.alloc(wanted.lengthBytes);
  const itself = await findAt(own, wanted, wanted.digest);
  if (itself !== undefined) return itself;
  for (const source of [own, ...siblings]) {
    const found = await findIn(source, wanted.digest, places.hints);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isZeroBlock(core: HashCore, { digest, lengthBytes }: WantedBlock): boolean {
  return zeroDigest(core, lengthBytes).equals(digest);
}

async function findIn(
  source: TwinSource,
  digest: Buffer,
  hints: HistoryHints | undefined,
): Promise<Buffer | undefined> {
  const newest = source.index.all<BlockPlace>(
    `SELECT body, block FROM locate WHERE prefix = ? LIMIT ${HINTS_MAX}`,
    digestPrefix(digest),
  );
  const older = hints?.places({ name: source.name, digest, limit: HINTS_MAX }) ?? [];
  for (const place of [...newest, ...older]) {
    const found = await findAt(source, place, digest);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A version of the block at this place that has the digest, and its bytes. */
async function findAt(
  source: TwinSource,
  place: BlockPlace,
  digest: Buffer,
): Promise<Buffer | undefined> {
  const body = bodyRow(source.index, place.body);
  if (body === undefined) return undefined;
  for await (const version of blockVersions(source, body, place.block)) {
    if (version.bytes !== undefined && version.digest.equals(digest)) return version.bytes;
  }
  return undefined;
}
