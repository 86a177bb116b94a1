/**
 * What the trees and the copies lie on: two file systems of one kind, so that the source's does not
 * see what is written to the copies, as on two machines. Journaled ones of their own unless told; a
 * plain folder where none can be mounted.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onGround, type Ground } from '../capture/ground.js';

const kinds = ['ext4', 'xfs', 'tmpfs'] as const satisfies readonly Ground[];
/** Less is refused by mkfs, or is all journal. */
const BYTES_MIN = 1024 ** 3;

export interface Grounds {
  readonly about: string;
  readonly source: string;
  readonly copies: string;
}

export interface GroundsOptions {
  /** `ext4`, `xfs`, `tmpfs`, or a folder. */
  readonly asked: string;
  readonly sourceBytes: number;
  readonly copiesBytes: number;
  readonly say: (text: string) => void;
}

export async function onGrounds<T>(
  { asked, sourceBytes, copiesBytes, say }: GroundsOptions,
  work: (grounds: Grounds) => Promise<T>,
): Promise<T> {
  const kind = kinds.find((name) => name === asked);
  if (kind === undefined) return await inFolder(asked, work);
  if (process.getuid?.() !== 0) {
    say(`${kind}: mounting needs root; measured in ${tmpdir()} as it is\n`);
    return await inFolder(tmpdir(), work);
  }
  const about = kind === 'tmpfs' ? 'memory' : `${kind} on loop devices of its own`;
  const source = { folder: tmpdir(), bytes: Math.ceil(Math.max(BYTES_MIN, sourceBytes)) };
  const copies = { folder: tmpdir(), bytes: Math.ceil(Math.max(BYTES_MIN, copiesBytes)) };
  return await onGround(kind, source, async (one) =>
    onGround(kind, copies, async (other) => {
      // An end by signal must not leave them mounted.
      const leave = (): void => {
        for (const { mount, home } of [one, other]) {
          spawnSync('umount', ['--lazy', mount]);
          rmSync(home, { recursive: true, force: true });
        }
      };
      process.once('exit', leave);
      try {
        return await work({ about, source: one.mount, copies: other.mount });
      } finally {
        process.removeListener('exit', leave);
      }
    }),
  );
}

/** Gives the disk back what files that are gone have taken in the image of a file system. */
export function trim(grounds: Grounds): void {
  for (const folder of [grounds.source, grounds.copies]) {
    spawnSync('fstrim', [folder], { stdio: 'ignore' });
  }
}

async function inFolder<T>(asked: string, work: (grounds: Grounds) => Promise<T>): Promise<T> {
  statSync(asked);
  const folder = mkdtempSync(join(asked, 'afterimage-bench-'));
  const clear = (): void => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  process.once('exit', clear);
  try {
    const grounds = {
      about: `a folder in ${asked}`,
      source: join(folder, 'source'),
      copies: join(folder, 'copies'),
    };
    mkdirSync(grounds.source);
    mkdirSync(grounds.copies);
    return await work(grounds);
  } finally {
    process.removeListener('exit', clear);
    clear();
  }
}
