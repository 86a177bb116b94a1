/** A full copy of a point, held in memory, and what differs from it in what the product reads back. */
import { SET_NODE } from '../../shared/protocol/records.js';
import type { SetStore } from '../../replica/history/set-store.js';
import { StoredSetReader } from '../../replica/history/stored-set-reader.js';
import type { NodeVersion } from '../../replica/history/set-reader.js';

export interface CopiedNode {
  readonly node: number;
  readonly kind: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly rdev: number;
  readonly content: Buffer;
  readonly target: string;
  /** Names and values as one text. */
  readonly xattrs: string;
}

/** path (latin1 of bytes) → what is there; hard links share `node`. */
export type FullCopy = Map<string, CopiedNode>;

/** Everything a point holds, read through the product. */
export async function readPoint(store: SetStore, point: number): Promise<FullCopy> {
  const view = new StoredSetReader(store).open(point);
  const copy: FullCopy = new Map();
  for (const { path, version } of view.walk(SET_NODE)) {
    const parts: Buffer[] = [];
    if (version.kind === 'file') {
      const range = { offset: 0, length: version.size };
      for await (const piece of view.read(version.node, range)) parts.push(Buffer.from(piece));
    }
    copy.set(path.toString('latin1'), toCopied(version, Buffer.concat(parts)));
  }
  return copy;
}

function toCopied(version: NodeVersion, content: Buffer): CopiedNode {
  return {
    node: version.node,
    kind: version.kind,
    mode: version.mode,
    uid: version.uid,
    gid: version.gid,
    mtimeNs: version.mtimeNs,
    rdev: version.rdev,
    content,
    target: version.target.toString('latin1'),
    xattrs: xattrText(version.xattrs),
  };
}

export function xattrText(xattrs: NodeVersion['xattrs']): string {
  return xattrs
    .map(({ name, value }) => `${name.toString('latin1')}=${value.toString('hex')}`)
    .join(' ');
}

const facts = [
  'node',
  'kind',
  'mode',
  'uid',
  'gid',
  'mtimeNs',
  'rdev',
  'target',
  'xattrs',
] as const;

/** What differs between a point and its full copy, as text; empty when nothing does. */
export function differences(found: FullCopy, expected: FullCopy): string[] {
  const out: string[] = [];
  for (const name of found.keys()) if (!expected.has(name)) out.push(`${name} should not be`);
  for (const [name, want] of expected) {
    const got = found.get(name);
    if (got === undefined) out.push(`${name} is missing`);
    else if (!got.content.equals(want.content)) out.push(`${name} has other content`);
    else {
      const other = facts.filter((fact) => got[fact] !== want[fact]);
      if (other.length > 0) out.push(`${name} has other metadata: ${other.join(', ')}`);
    }
  }
  return out;
}
