/** What the kernel says is mounted, without touching it: a mount whose process is gone may hang. */
import { readFileSync } from 'node:fs';

export interface MountLine {
  readonly folder: string;
  readonly type: string;
  /** Such as `0:57`. */
  readonly device: string;
}

/** In the order in which they were mounted. */
export function readMounts(path = '/proc/self/mountinfo'): MountLine[] {
  const mounts: MountLine[] = [];
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , device, , folder] = before.split(' ');
    const [type] = after.split(' ');
    if (device === undefined || folder === undefined || type === undefined) continue;
    mounts.push({ folder: unescape(folder), type, device });
  }
  return mounts;
}

export function isMountedAt(folder: string): boolean {
  return readMounts().some((mount) => mount.folder === folder);
}

/** Blanks and the like are `\040` in octal; names are bytes. */
function unescape(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString();
}
