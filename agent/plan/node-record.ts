/** What a node's row says on the wire. */
import type { FileStatus } from '../../shared/posix/posix.js';
import { decodeXattrs, type BodyWord, type NodeRecord } from '../../shared/protocol/records.js';
import type { NodeRow } from '../state/node-row.js';
import { decodeStatus } from '../state/status.js';

const nothing = Buffer.alloc(0);
const PERMISSIONS = 0o7777;

export function toNodeRecord(row: NodeRow, body: BodyWord): NodeRecord {
  const status = decodeStatus(row.status);
  return {
    type: 'node',
    node: row.id,
    kind: row.kind,
    mode: status.mode & PERMISSIONS,
    uid: status.uid,
    gid: status.gid,
    size: row.kind === 'file' ? row.size : 0,
    mtimeNs: status.mtimeNs,
    rdev: row.kind === 'char' || row.kind === 'block' ? status.rdev : 0,
    target: row.target ?? nothing,
    xattrs: row.xattrs === null ? [] : decodeXattrs(row.xattrs),
    body,
  };
}

/** Of a file that is new, from what its row was made of. */
export function toFileRecord(
  row: Pick<NodeRow, 'id' | 'size' | 'xattrs'>,
  status: Pick<FileStatus, 'mode' | 'uid' | 'gid' | 'mtimeNs'>,
): NodeRecord {
  return {
    type: 'node',
    node: row.id,
    kind: 'file',
    mode: status.mode & PERMISSIONS,
    uid: status.uid,
    gid: status.gid,
    size: row.size,
    mtimeNs: status.mtimeNs,
    rdev: 0,
    target: nothing,
    xattrs: row.xattrs === null ? [] : decodeXattrs(row.xattrs),
    body: 'new',
  };
}

/** True when two rows of one node say the same on the wire. */
export function saysTheSame(a: NodeRow, b: NodeRow): boolean {
  const before = decodeStatus(a.status);
  const after = decodeStatus(b.status);
  return (
    a.size === b.size &&
    before.mode === after.mode &&
    before.uid === after.uid &&
    before.gid === after.gid &&
    before.mtimeNs === after.mtimeNs &&
    before.rdev === after.rdev &&
    sameBytes(a.target, b.target) &&
    sameBytes(a.xattrs, b.xattrs)
  );
}

function sameBytes(a: Buffer | null, b: Buffer | null): boolean {
  return (a ?? nothing).equals(b ?? nothing);
}
