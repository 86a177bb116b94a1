/** Why nothing can be mounted here; undefined when it can. */
import fs from 'node:fs';
import { loadAddon } from '../../shared/posix/load-addon.js';

/** `writable` mounts are root's. */
export function mountMissing(kind: 'read-only' | 'writable' = 'read-only'): string | undefined {
  const addon = loadAddon();
  if ('whyNot' in addon) return addon.whyNot;
  if (!fs.existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  if (kind === 'read-only') {
    return process.getuid?.() === 0 || fs.existsSync('/usr/bin/fusermount3')
      ? undefined
      : 'fusermount3 is not installed';
  }
  return process.getuid?.() === 0 ? undefined : 'only root mounts overlays';
}
