/**
 * One digest of everything a tree holds, for checking that a copy is a copy. Contents and names
 * always; modes and times only where the copy keeps them on the disk.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';

const CHUNK_BYTES = 1024 * 1024;

export interface DigestOptions {
  readonly metadata: 'with' | 'without';
}

/** Throws when a file cannot be read or is of a kind that the trees do not have. */
export function digestTree(folder: string, options: DigestOptions): string {
  const hash = createHash('sha256');
  const room = Buffer.allocUnsafe(CHUNK_BYTES);
  const visit = (path: string, name: string): void => {
    const status = lstatSync(path, { bigint: true });
    const kept = options.metadata === 'with' ? `${status.mode} ${status.mtimeNs}` : '';
    hash.update(JSON.stringify([name, kept]));
    if (status.isDirectory()) {
      hash.update('{');
      for (const inner of readdirSync(path).sort()) visit(join(path, inner), inner);
      hash.update('}');
    } else if (status.isFile()) {
      hash.update(`file ${status.size}:`);
      updateFromFile(hash, path, room);
    } else if (status.isSymbolicLink()) {
      hash.update(JSON.stringify(['link', readlinkSync(path)]));
    } else {
      throw new Error(`${path} is neither file, folder nor link`);
    }
  };
  visit(folder, '');
  return hash.digest('hex');
}

function updateFromFile(hash: Hash, path: string, room: Buffer): void {
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const bytes = readSync(file, room);
      if (bytes === 0) return;
      hash.update(room.subarray(0, bytes));
    }
  } finally {
    closeSync(file);
  }
}
