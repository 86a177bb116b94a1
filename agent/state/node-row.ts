/** A node as the state has it, and its columns in their order. */
import { nodeKinds, type NodeKind } from '../../shared/protocol/records.js';

export interface NodeRow {
  readonly id: number;
  readonly kind: NodeKind;
  /** Null when the row was taken from the replica and not yet matched with a file. */
  readonly identity: Buffer | null;
  readonly status: Buffer;
  /** Bytes of content that the replica was told. */
  readonly size: number;
  /** Where a symlink points. */
  readonly target: Buffer | null;
  /** As `encodeXattrs` writes them; null for none. */
  readonly xattrs: Buffer | null;
  /** Must be looked at again (R16). */
  readonly dirty: boolean;
  /** The sync that writes the body anew; 0 for none. */
  readonly fresh: number;
}

export type NodeValues = [
  id: number,
  kind: number,
  identity: Buffer | null,
  status: Buffer,
  size: number,
  target: Buffer | null,
  xattrs: Buffer | null,
  dirty: number,
  fresh: number,
];

export const nodeColumns = 'id, kind, identity, status, size, target, xattrs, dirty, fresh';

const kindNumbers = new Map(nodeKinds.map((kind, number) => [kind, number]));

export function nodeValues(row: NodeRow): NodeValues {
  return [
    row.id,
    kindNumbers.get(row.kind) ?? 0,
    row.identity,
    row.status,
    row.size,
    row.target,
    row.xattrs,
    Number(row.dirty),
    row.fresh,
  ];
}

export function nodeOf(values: NodeValues): NodeRow {
  const [id, kind, identity, status, size, target, xattrs, dirty, fresh] = values;
  return {
    id,
    kind: nodeKinds[kind] ?? 'file',
    identity,
    status,
    size,
    target,
    xattrs,
    dirty: dirty !== 0,
    fresh,
  };
}
