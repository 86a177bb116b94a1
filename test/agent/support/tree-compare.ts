/** Compares what a model replica holds with the tree on disk, entry by entry. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { kindOf } from '../../../agent/state/status.js';
import type { ModelNode, ModelState } from './model-replica.js';

const posix = loadPosix();

/** Every difference as one line; empty when the model is the tree. */
export function differences(
  state: ModelState,
  roots: Readonly<Record<string, string>>,
  skip: (path: string) => boolean = () => false,
): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  const inodeOf = new Map<number, string>();
  const visit = (parent: number, name: Buffer, path: Buffer): void => {
    const text = path.toString('latin1');
    if (skip(text)) return;
    const entry = `${parent}/${name.toString('latin1')}`;
    seen.add(entry);
    const node = state.entries.get(entry);
    const model = node === undefined ? undefined : state.nodes.get(node);
    if (node === undefined || model === undefined) {
      found.push(`${text} is missing`);
      return;
    }
    found.push(...nodeDifferences(path, text, model));
    const status = posix.lstat(path);
    const inode = `${status.dev}:${status.ino}`;
    const other = inodeOf.get(node);
    if (other !== undefined && other !== inode) found.push(`${text} shares node ${node} wrongly`);
    inodeOf.set(node, inode);
    if (kindOf(status.mode) !== 'folder') return;
    for (const child of readdirSync(path, { encoding: 'buffer' })) {
      visit(node, child, Buffer.concat([path, Buffer.from('/'), child]));
    }
  };
  for (const [name, path] of Object.entries(roots)) {
    visit(SET_NODE, Buffer.from(name), Buffer.from(path));
  }
  for (const entry of state.entries.keys()) {
    if (!seen.has(entry)) found.push(`entry ${entry} is not in the tree`);
  }
  const nodesOfInode = new Map<string, number>();
  for (const [node, inode] of inodeOf) {
    if (nodesOfInode.has(inode)) found.push(`inode ${inode} is two nodes`);
    nodesOfInode.set(inode, node);
  }
  return found;
}

function nodeDifferences(path: Buffer, text: string, { record, content }: ModelNode): string[] {
  const found: string[] = [];
  const status = posix.lstat(path);
  const kind = kindOf(status.mode);
  const say = (field: string, is: unknown, shouldBe: unknown): void => {
    if (is !== shouldBe) found.push(`${text}: ${field} is ${String(is)}, not ${String(shouldBe)}`);
  };
  say('kind', record.kind, kind);
  say('mode', record.mode, status.mode & 0o7777);
  say('uid', record.uid, status.uid);
  say('mtime', record.mtimeNs, status.mtimeNs);
  if (kind === 'file') {
    say('size', record.size, status.size);
    if (!readFileSync(path).equals(content)) found.push(`${text}: content differs`);
  }
  if (kind === 'symlink') {
    const target = readlinkSync(path, { encoding: 'buffer' });
    if (!target.equals(record.target)) found.push(`${text}: target differs`);
  }
  const xattrs = posix
    .getXattrs(path)
    .map(({ name, value }) => `${name.toString()}=${value.toString('hex')}`);
  const held = record.xattrs.map(
    ({ name, value }) => `${name.toString()}=${value.toString('hex')}`,
  );
  say('xattrs', held.join(), xattrs.join());
  return found;
}
