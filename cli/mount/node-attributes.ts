/** What the kernel is told of nodes. */
import type { LinkedNode } from '../../shared/api/nodes.js';
import { parsePathText } from '../../shared/path-text.js';
import type { NodeKind } from '../../shared/protocol/records.js';
import type { Attributes, NodeId } from './fuse-protocol.js';

const kindBits: Readonly<Record<NodeKind, number>> = {
  fifo: 0o010000,
  char: 0o020000,
  folder: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};

/** Ten years: what is in a point never changes. */
export const LASTING_S = 315_360_000;
const BILLION = 1_000_000_000n;

export function attributesOf(id: NodeId, node: LinkedNode): Attributes {
  const { mode, size, uid, gid, kind } = node;
  const mtimeNs = BigInt(node.mtimeNs);
  const nanoseconds = ((mtimeNs % BILLION) + BILLION) % BILLION;
  return {
    id,
    mode: kindBits[kind] | mode,
    size: kind === 'symlink' ? parsePathText(node.target ?? '').length : size,
    links: node.links ?? 1,
    uid,
    gid,
    rdev: (node.rdev ?? 0) >>> 0,
    mtimeS: Number((mtimeNs - nanoseconds) / BILLION),
    mtimeNs: Number(nanoseconds),
    validS: LASTING_S,
  };
}

/** A folder or link of the mount itself, as its owner sees it. */
export function ownAttributes(
  id: NodeId,
  of: {
    readonly kind: 'folder' | 'symlink';
    readonly timeMs: number;
    readonly size?: number;
    readonly validS: number;
  },
): Attributes {
  return {
    id,
    mode: kindBits[of.kind] | (of.kind === 'folder' ? 0o555 : 0o777),
    size: of.size ?? 0,
    links: 1,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    rdev: 0,
    mtimeS: Math.floor(of.timeMs / 1000),
    mtimeNs: Math.floor(of.timeMs % 1000) * 1_000_000,
    validS: of.validS,
  };
}
