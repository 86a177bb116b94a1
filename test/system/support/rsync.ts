/** Trees copied and compared by rsync: a judge that knows nothing of the product. */
import { spawnSync } from 'node:child_process';
import { loadPosix } from '../../../shared/posix/load-posix.js';

/** -1 compares times to the nanosecond; without the native part they come back less fine. */
const timeWindow = `--modify-window=${loadPosix().native ? -1 : 0}`;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Why rsync cannot judge here; undefined when it can. */
export function rsyncMissing(): string | undefined {
  const { status, stdout } = spawnSync('rsync', ['--version'], { encoding: 'utf8' });
  if (status !== 0) return 'rsync is not installed';
  return /\bACLs\b/.test(stdout) && /\bxattrs\b/.test(stdout)
    ? undefined
    : 'rsync carries no ACLs or xattrs here';
}

/** What rsync would change to make `copy` equal to `tree`; empty when they are equal. */
export function treeDifferences(tree: string, copy: string): string {
  return rsync(['-aHAXcn', timeWindow, '--delete', '--itemize-changes', `${tree}/`, `${copy}/`]);
}

/** Makes `copy` equal to `tree` in everything that rsync knows. */
export function copyTree(tree: string, copy: string): void {
  rsync(['-aHAXS', '--modify-window=-1', '--delete', `${tree}/`, `${copy}/`]);
}

function rsync(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('rsync', args, {
    encoding: 'latin1',
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (status !== 0) throw new Error(`rsync ${args.join(' ')}: ${stderr}`);
  return stdout;
}
