/** The newest point as records, for an agent that lost its own state (R13). */
import { AfterimageError } from '../../shared/errors.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { blockCount, blockLength } from '../../shared/limits.js';
import { ByteWriter } from '../../shared/protocol/bytes.js';
import { encodeRecord } from '../../shared/protocol/records.js';
import { kindOf, namesAt, newestPoint, nodeAt, type NodeRow, toVersion } from '../index/nodes.js';
import { newestDigest } from './read-block.js';
import type { SetStore } from './set-store.js';

const PAGE_BYTES_TARGET = 400 * 1024;

/** One page from `cursor` ('' to start); the cursor names the next node and block. */
export function listState(
  store: SetStore,
  cursor: string,
): { readonly records: Uint8Array; readonly next: string | null } {
  const writer = new ByteWriter(PAGE_BYTES_TARGET * 2);
  const { index } = store;
  const point = newestPoint(index);
  let at = parseCursor(cursor);
  for (;;) {
    const id = index.get<{ id: number }>(
      'SELECT id FROM node WHERE id >= ? AND born <= ? AND died > ? ORDER BY id LIMIT 1',
      at.node,
      point,
      point,
    )?.id;
    const row = id === undefined ? undefined : nodeAt(index, id, point);
    if (row === undefined) {
      writeNewestNumber(store, writer);
      return { records: writer.copy(), next: null };
    }
    if (at.block === 0 || row.id !== at.node) writeNode(store, writer, { row, point });
    const next = writeDigests(store, writer, { row, from: row.id === at.node ? at.block : 0 });
    at = next === null ? { node: row.id + 1, block: 0 } : { node: row.id, block: next };
    if (writer.length >= PAGE_BYTES_TARGET)
      return { records: writer.copy(), next: `${at.node}.${at.block}` };
  }
}

/** An empty run for the highest node number there ever was: dead ones are not given again (R1). */
function writeNewestNumber({ index }: SetStore, writer: ByteWriter): void {
  const node = index.get<{ id: number | null }>('SELECT max(id) AS id FROM node')?.id ?? null;
  if (node !== null) encodeRecord(writer, { type: 'zero', node, block: 0, count: 0 });
}

function parseCursor(cursor: string): { node: number; block: number } {
  if (cursor === '') return { node: 0, block: 0 };
  const match = /^(\d{1,15})\.(\d{1,10})$/.exec(cursor);
  if (match === null)
    throw new AfterimageError('record-refused', 'a cursor that this replica did not give');
  return { node: Number(match[1]), block: Number(match[2]) };
}

function writeNode(
  { index }: SetStore,
  writer: ByteWriter,
  at: { row: NodeRow; point: number },
): void {
  const version = toVersion(at.row);
  encodeRecord(writer, {
    ...version,
    type: 'node',
    body: version.kind === 'file' ? 'keep' : 'none',
  });
  for (const { parent, name } of namesAt(index, at.row.id, at.point)) {
    encodeRecord(writer, { type: 'link', parent, name, node: at.row.id });
  }
}

/** Digests from block `from`; the block to go on with when the page is full, else null. */
function writeDigests(
  store: SetStore,
  writer: ByteWriter,
  at: { row: NodeRow; from: number },
): number | null {
  const { row } = at;
  if (kindOf(row.kind) !== 'file' || row.body === null) return null;
  const blocks = blockCount(row.size);
  let zeros = 0;
  const flushZeros = (block: number): void => {
    if (zeros > 0)
      encodeRecord(writer, { type: 'zero', node: row.id, block: block - zeros, count: zeros });
    zeros = 0;
  };
  for (let block = at.from; block < blocks; block += 1) {
    const length = blockLength(row.size, block);
    const digest = newestDigest(store.source, { body: row.body, block, length });
    if (digest.equals(zeroDigest(store.source.core, length))) zeros += 1;
    else {
      flushZeros(block);
      encodeRecord(writer, { type: 'copy', node: row.id, block, digest, length });
    }
    if (writer.length >= PAGE_BYTES_TARGET && block + 1 < blocks) {
      flushZeros(block + 1);
      return block + 1;
    }
  }
  flushZeros(blocks);
  return null;
}
