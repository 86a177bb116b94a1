/** Describes a folder on disk, or what a memory tree says it should be, so that the two compare. */
import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import type { Posix } from '../../../shared/posix/posix.js';
import { toPathText } from '../../../shared/path-text.js';
import { below, openFolder } from '../../../shared/restore/folder-cursor.js';
import { kindOf } from '../../../shared/restore/plan.js';
import { removeTree } from '../../../shared/restore/remove-tree.js';
import type { MemoryTree } from './memory-tree.js';

export interface Described {
  readonly kind: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtimeNs: string;
  readonly rdev: number;
  readonly target: string;
  readonly content: string;
  readonly xattrs: readonly string[];
  /** The first path, in order, that has the same inode. */
  readonly same: string;
}

export type Description = Record<string, Described>;

export function describeDisk(posix: Posix, root: string): Description {
  const description: Description = {};
  const seen = new Map<string, string>();
  const visit = (folder: number, prefix: string): void => {
    for (const { name, status } of posix.scanFolder(below(folder, Buffer.from('.')))) {
      const path = below(folder, name);
      const kind = kindOf(status.mode) ?? 'unknown';
      const text = prefix + toPathText(name);
      const inode = `${status.dev}:${status.ino}`;
      const same = seen.get(inode) ?? text;
      seen.set(inode, same);
      description[text] = {
        kind,
        mode: kind === 'symlink' ? '' : (status.mode & 0o7777).toString(8),
        owner: `${status.uid}:${status.gid}`,
        mtimeNs: status.mtimeNs.toString(),
        rdev: kind === 'char' || kind === 'block' ? status.rdev : 0,
        target: kind === 'symlink' ? toPathText(readlinkSync(path, { encoding: 'buffer' })) : '',
        content: kind === 'file' ? hashOf(readNoFollow(path)) : '',
        xattrs: posix
          .getXattrs(path)
          .map((xattr) => `${toPathText(xattr.name)}=${toPathText(xattr.value)}`),
        same,
      };
      if (kind === 'folder') {
        const fd = openFolder(path);
        visit(fd, `${text}/`);
        closeSync(fd);
      }
    }
  };
  const fd = openFolder(Buffer.from(root));
  visit(fd, '');
  closeSync(fd);
  return description;
}

export function describeTree(tree: MemoryTree): Description {
  const description: Description = {};
  const seen = new Map<number, string>();
  for (const { path, version } of tree.walk()) {
    const text = toPathText(path);
    const same = seen.get(version.node) ?? text;
    seen.set(version.node, same);
    description[text] = {
      kind: version.kind,
      mode: version.kind === 'symlink' ? '' : version.mode.toString(8),
      owner: `${version.uid}:${version.gid}`,
      mtimeNs: version.mtimeNs.toString(),
      rdev: version.rdev,
      target: toPathText(version.target),
      content: version.kind === 'file' ? hashOf(tree.content(version.node)) : '',
      xattrs: version.xattrs.map((xattr) => `${toPathText(xattr.name)}=${toPathText(xattr.value)}`),
      same,
    };
  }
  return description;
}

/** Removes a test's folder, however deep its paths are. */
export function removeFolder(posix: Posix, path: string): void {
  const parent = openFolder(Buffer.from(dirname(path)));
  removeTree(posix, parent, Buffer.from(basename(path)));
  closeSync(parent);
}

function readNoFollow(path: Buffer): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function hashOf(bytes: Buffer): string {
  return `${bytes.length}:${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
}
