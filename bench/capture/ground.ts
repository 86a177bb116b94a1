/** File systems made for a measurement, in a file of their own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export type Ground = 'xfs' | 'ext4' | 'tmpfs';

export interface GroundOptions {
  /** Where the file lies. */
  readonly folder: string;
  readonly bytes: number;
}

/** Mounts a new file system while `work` runs. Needs root. */
export async function onGround<T>(
  ground: Ground,
  { folder, bytes }: GroundOptions,
  work: (at: { readonly home: string; readonly mount: string }) => Promise<T>,
): Promise<T> {
  const home = mkdtempSync(join(folder, 'afterimage-ground-'));
  const mount = join(home, 'ground');
  mkdirSync(mount);
  mountGround(ground, { home, mount, bytes });
  try {
    return await work({ home, mount });
  } finally {
    execFileSync('umount', ['--lazy', mount]);
    rmSync(home, { recursive: true, force: true, maxRetries: 10 });
  }
}

function mountGround(
  ground: Ground,
  { home, mount, bytes }: { readonly home: string; readonly mount: string; readonly bytes: number },
): void {
  if (ground === 'tmpfs') {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', mount]);
    return;
  }
  const image = join(home, 'image');
  execFileSync('truncate', ['--size', String(bytes), image]);
  execFileSync(`mkfs.${ground}`, ground === 'xfs' ? ['-q', image] : ['-q', '-F', image]);
  execFileSync('mount', ['-o', 'loop', image, mount]);
}
