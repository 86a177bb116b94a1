/** The newest point as records, for an agent that lost its own state (R13). */
import { AfterimageError } from '../../shared/errors.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { blockCount, blockLength } from '../../shared/limits.js';
import { ByteWriter } from '../../shared/protocol/bytes.js';
import { encodeRecord } from '../../shared/protocol/records.js';
import { kindOf, newestPoint, nodeAt, type NodeRow, toVersion } from '../index/nodes.js';
import { LIVE } from '../index/schema.js';
import { newestDigest } from './read-block.js';
import type { SetStore } from './set-store.js';

const PAGE_BYTES_TARGET = 400 * 1024;
/** Blocks looked at for one page: a run of zero blocks says little and takes as long as others. */
const PAGE_BLOCKS_MAX = 8_192;
/** Names read at once. */
const NAMES_A_STEP = 1_000;

/** What comes next: a node, more names of one, or blocks of one. */
type Cursor =
  | { readonly at: 'node'; readonly node: number }
  | { readonly at: 'names'; readonly node: number; readonly after: Name }
  | { readonly at: 'blocks'; readonly node: number; readonly block: number };

interface Name {
  readonly parent: number;
  readonly name: Buffer;
}

interface Page {
  readonly store: SetStore;
  readonly writer: ByteWriter;
  blocks: number;
}

/** One page from `cursor` ('' to start), below a megabyte whatever the node is like. */
export function listState(
  store: SetStore,
  cursor: string,
): { readonly records: Uint8Array; readonly next: string | null } {
  const page: Page = { store, writer: new ByteWriter(PAGE_BYTES_TARGET * 2), blocks: 0 };
  let at: Cursor | undefined = decodeCursor(cursor);
  while (at !== undefined) {
    at = writeNext(page, at);
    if (at !== undefined && isFull(page)) {
      return { records: page.writer.copy(), next: encodeCursor(at) };
    }
  }
  writeNewestNumber(store, page.writer);
  return { records: page.writer.copy(), next: null };
}

function isFull({ writer, blocks }: Page): boolean {
  return writer.length >= PAGE_BYTES_TARGET || blocks >= PAGE_BLOCKS_MAX;
}

/** Writes what the cursor names, as far as the page goes; returns what comes then. */
function writeNext(page: Page, at: Cursor): Cursor | undefined {
  const row = nextNode(page.store, at.node);
  if (row === undefined) return undefined;
  // What a cursor names may have gone since.
  const where: Cursor = row.id === at.node ? at : { at: 'node', node: row.id };
  switch (where.at) {
    case 'node':
      writeNode(page, row);
      return { at: 'names', node: row.id, after: { parent: 0, name: Buffer.alloc(0) } };
    case 'names':
      return writeNames(page, row.id, where.after) ?? { at: 'blocks', node: row.id, block: 0 };
    case 'blocks': {
      const block = writeDigests(page, { row, from: where.block });
      if (block !== null) return { at: 'blocks', node: row.id, block };
      return { at: 'node', node: row.id + 1 };
    }
  }
}

function nextNode({ index }: SetStore, from: number): NodeRow | undefined {
  const point = newestPoint(index);
  const id = index.get<{ id: number }>(
    'SELECT id FROM node WHERE id >= ? AND born <= ? AND died > ? ORDER BY id LIMIT 1',
    from,
    point,
    point,
  )?.id;
  return id === undefined ? undefined : nodeAt(index, id, point);
}

/** An empty run for the highest node number there ever was: dead ones are not given again (R1). */
function writeNewestNumber({ index }: SetStore, writer: ByteWriter): void {
  const node = index.get<{ id: number | null }>('SELECT max(id) AS id FROM node')?.id ?? null;
  if (node !== null) encodeRecord(writer, { type: 'zero', node, block: 0, count: 0 });
}

function decodeCursor(cursor: string): Cursor {
  if (cursor === '') return { at: 'node', node: 0 };
  const match = /^(\d{1,15})\.(?:(n)|(\d{1,10})|(\d{1,15})-([0-9a-f]{2,510}))$/.exec(cursor);
  if (match === null)
    throw new AfterimageError('record-refused', 'a cursor that this replica did not give');
  const [, node, start, block, parent, name] = match;
  if (start !== undefined) return { at: 'node', node: Number(node) };
  if (block !== undefined) return { at: 'blocks', node: Number(node), block: Number(block) };
  const after = { parent: Number(parent), name: Buffer.from(name ?? '', 'hex') };
  return { at: 'names', node: Number(node), after };
}

function encodeCursor(cursor: Cursor): string {
  switch (cursor.at) {
    case 'node':
      return `${cursor.node}.n`;
    case 'names':
      return `${cursor.node}.${cursor.after.parent}-${cursor.after.name.toString('hex')}`;
    case 'blocks':
      return `${cursor.node}.${cursor.block}`;
  }
}

function writeNode({ writer }: Page, row: NodeRow): void {
  const version = toVersion(row);
  encodeRecord(writer, {
    ...version,
    type: 'node',
    body: version.kind === 'file' ? 'keep' : 'none',
  });
}

/** Names in the order of the index; what to go on with when the page is full. A file may have millions. */
function writeNames({ store, writer }: Page, node: number, from: Name): Cursor | undefined {
  let after = from;
  for (;;) {
    const names = store.index.all<Name>(
      `SELECT parent, name FROM entry WHERE node = ? AND died = ? AND (parent, name) > (?, ?)
       ORDER BY parent, name LIMIT ?`,
      node,
      LIVE,
      after.parent,
      after.name,
      NAMES_A_STEP,
    );
    for (const name of names) {
      encodeRecord(writer, { type: 'link', ...name, node });
      after = name;
      if (writer.length >= PAGE_BYTES_TARGET) return { at: 'names', node, after };
    }
    if (names.length < NAMES_A_STEP) return undefined;
  }
}

/** Digests from block `from`; the block to go on with when the page is full, else null. */
function writeDigests(
  page: Page,
  at: { readonly row: NodeRow; readonly from: number },
): number | null {
  const { store, writer } = page;
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
    page.blocks += 1;
    if (digest.equals(zeroDigest(store.source.core, length))) zeros += 1;
    else {
      flushZeros(block);
      encodeRecord(writer, { type: 'copy', node: row.id, block, digest, length });
    }
    if (isFull(page) && block + 1 < blocks) {
      flushZeros(block + 1);
      return block + 1;
    }
  }
  flushZeros(blocks);
  return null;
}
