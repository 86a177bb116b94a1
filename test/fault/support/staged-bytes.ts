/**
 * What a replica has of a sync that is not over: in the files of the sync under way and of those that
 * were dropped. A block that lies in several of them counts once.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { errnoOf } from '../../../shared/errors.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';

/** Bytes on disk of the sync under way alone; cheap enough to be asked again and again. */
export function underWayBytes(setFolder: string): number {
  const folder = path.join(setFolder, 'new');
  return namesIn(folder).reduce((sum, name) => {
    const status = fs.lstatSync(path.join(folder, name), { throwIfNoEntry: false });
    return sum + (status === undefined ? 0 : status.blocks * 512);
  }, 0);
}

/** Bytes of different blocks in the sync under way and in dropped ones. Reads all of them. */
export function stagedBytes(setFolder: string): number {
  const seen = new Set<string>();
  let bytes = 0;
  const dropped = namesIn(path.join(setFolder, 'leftover')).map((name) =>
    path.join(setFolder, 'leftover', name, 'new'),
  );
  for (const folder of [path.join(setFolder, 'new'), ...dropped]) {
    for (const name of namesIn(folder)) {
      for (const block of blocksOf(path.join(folder, name))) {
        const digest = createHash('sha1').update(block).digest('hex');
        if (seen.has(digest)) continue;
        seen.add(digest);
        bytes += block.length;
      }
    }
  }
  return bytes;
}

/** Those that hold anything: where nothing was written yet a file is zero. */
function blocksOf(file: string): Buffer[] {
  const content = unlessGone(() => fs.readFileSync(file)) ?? Buffer.alloc(0);
  const blocks: Buffer[] = [];
  for (let at = 0; at < content.length; at += BLOCK_BYTES) {
    const block = content.subarray(at, at + BLOCK_BYTES);
    if (block.some((byte) => byte !== 0)) blocks.push(block);
  }
  return blocks;
}

function namesIn(folder: string): string[] {
  return unlessGone(() => fs.readdirSync(folder)) ?? [];
}

/** A replica that runs moves its files meanwhile. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
