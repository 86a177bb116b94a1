/**
 * Transaction B: what the intent says becomes the newest point. Costs what changed. Runs in slices
 * inside one transaction of the writer's connection; readers see nothing of it until it commits.
 */
import { invariant } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import { zeroDigest } from '../../shared/hash/zero-digest.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { nextChain } from '../../shared/protocol/manifest.js';
import { countStage, Stage } from '../../shared/stages.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { digestPrefix, type StagedBlock } from '../stage/staged-block.js';
import { duePoint } from '../certify/certificates-due.js';
import { loadPointDigest, type PointDigest, storePointDigest } from '../certify/point-digest.js';
import { FreshNodes, type StagedNodeRow } from './cut-fresh.js';
import { patchDigestRows, writeDigestRows } from './digest-rows.js';
import type { IndexDb } from './index-db.js';
import { dropOverwritten } from './locate-rows.js';
import { ManyRows } from './many-rows.js';
import { nodeAt, type NodeRow } from './nodes.js';
import { stagedEntries, stagedNodes } from './paged.js';
import { LIVE, Place } from './schema.js';

export interface CutRequest {
  readonly index: IndexDb;
  readonly intent: IndexDb;
  readonly core: HashCore;
  readonly slice: TimeSlice;
  readonly point: number;
  /** Replica's clock (R20). */
  readonly timeMs: number;
}

export interface CutPoint {
  readonly point: number;
  readonly sync: number;
  readonly chain: Buffer;
  readonly timeMs: number;
}

/** A cut under way: the digest follows every row that it ends or makes. */
interface Cut extends CutRequest {
  readonly digest: PointDigest;
}

interface Totals {
  files: number;
  bytes: number;
  changedNodes: number;
}

const NODE_KEPT = 1;
const NODE_NEW = 2;

/** Cuts the point. On failure the transaction is rolled back and the error thrown. */
export async function cutPoint(request: CutRequest): Promise<CutPoint> {
  const { index } = request;
  const start = performance.now();
  index.db.pragma('synchronous = FULL');
  index.db.exec('BEGIN IMMEDIATE');
  try {
    const digest = loadPointDigest(index, request.core, request.point - 1);
    const under = { ...request, digest };
    const totals = await cutNodes(under);
    await cutEntries(under);
    const cut = writePoint(under, totals);
    index.run('DELETE FROM applying');
    commit(index);
    countStage(Stage.index, start);
    return cut;
  } catch (error) {
    if (index.db.inTransaction) index.db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Commits. What the log holds goes into the file with a later commit: by then the agent knows of the
 * point, and nothing waited for both at once.
 */
function commit({ db }: IndexDb): void {
  const pages = Number(db.pragma('wal_autocheckpoint', { simple: true }));
  db.pragma('wal_autocheckpoint = 0');
  try {
    db.exec('COMMIT');
  } finally {
    db.pragma(`wal_autocheckpoint = ${pages}`);
  }
}

async function cutEntries({ index, intent, slice, point, digest }: Cut): Promise<void> {
  const end = index.db.prepare(
    'UPDATE entry SET died = ? WHERE parent = ? AND name = ? AND died = ?',
  );
  const added = new ManyRows(index, {
    head: 'INSERT INTO entry (parent, name, born, died, node)',
    columns: 5,
  });
  for (const { parent, name, node, old } of stagedEntries(intent)) {
    if (old !== 0) {
      end.run(point, parent, name, LIVE);
      digest.entry('remove', { parent, name, node: old });
    }
    if (node !== 0) {
      added.add(parent, name, point, LIVE, node);
      digest.entry('add', { parent, name, node });
    }
    await slice.breathe();
  }
  added.flush();
}

async function cutNodes(request: Cut): Promise<Totals> {
  const { intent, slice } = request;
  const previous = request.index.get<{ files: number; bytes: number }>(
    'SELECT files, bytes FROM point ORDER BY point DESC LIMIT 1',
  );
  const totals = { files: previous?.files ?? 0, bytes: previous?.bytes ?? 0, changedNodes: 0 };
  const fresh = new FreshNodes(request);
  for (const row of stagedNodes<StagedNodeRow>(intent, { columns: '*', where: 'dead <> 2' })) {
    if (fresh.take(row)) {
      count(totals, { before: undefined, after: row });
    } else {
      fresh.flush();
      cutNode(request, row, totals);
    }
    await slice.breathe();
  }
  fresh.flush();
  await request.digest.settle(request.index, slice);
  return totals;
}

function cutNode(request: Cut, row: StagedNodeRow, totals: Totals): void {
  const { index, point } = request;
  const live = row.fresh === 1 ? undefined : nodeAt(index, row.id, point - 1);
  if (row.dead === 1) {
    index.run('UPDATE node SET died = ? WHERE id = ? AND died = ?', point, row.id, LIVE);
    if (row.old_body !== null) endBody(request, row.old_body);
    if (live !== undefined) endVersion(request, live);
    count(totals, { before: live, after: undefined });
    return;
  }
  const content = cutBody(request, row, live);
  if (live !== undefined && !content.changed && sameNode(live, row)) return;
  if (live !== undefined)
    index.run('UPDATE node SET died = ? WHERE id = ? AND died = ?', point, row.id, LIVE);
  index.run(
    `INSERT INTO node (id, born, died, kind, mode, uid, gid, size, mtime_s, mtime_ns, rdev, target, xattrs, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    point,
    LIVE,
    row.kind,
    row.mode,
    row.uid,
    row.gid,
    row.size,
    row.mtime_s,
    row.mtime_ns,
    row.rdev,
    row.target,
    row.xattrs,
    content.body,
  );
  if (live !== undefined) request.digest.node('remove', live);
  request.digest.node('add', row);
  count(totals, { before: live, after: row });
}

/** A node's last version leaves the digest, and its content. */
function endVersion({ index, digest }: Cut, live: NodeRow): void {
  digest.node('remove', live);
  if (live.body !== null) {
    digest.endContent(index, { node: live.id, body: live.body, size: live.size });
  }
}

function count(
  totals: Totals,
  change: {
    before: { kind: number; size: number } | undefined;
    after: { kind: number; size: number } | undefined;
  },
): void {
  const folder = 1;
  totals.changedNodes += 1;
  for (const [node, sign] of [
    [change.before, -1],
    [change.after, 1],
  ] as const) {
    if (node === undefined || node.kind === folder) continue;
    totals.files += sign;
    totals.bytes += sign * node.size;
  }
}

function sameNode(live: NodeRow, row: StagedNodeRow): boolean {
  return (
    live.mode === row.mode &&
    live.uid === row.uid &&
    live.gid === row.gid &&
    live.size === row.size &&
    live.mtime_s === row.mtime_s &&
    live.mtime_ns === row.mtime_ns &&
    live.rdev === row.rdev &&
    sameBytes(live.target, row.target) &&
    sameBytes(live.xattrs, row.xattrs)
  );
}

function sameBytes(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

/** A body that ended keeps its digests: they say what its points read back. */
function endBody({ index, point }: CutRequest, body: number): void {
  index.run('UPDATE body SET died = ?, place = ? WHERE id = ?', point, Place.attic, body);
}

function cutBody(
  request: Cut,
  row: StagedNodeRow,
  live: NodeRow | undefined,
): { body: number | null; changed: boolean } {
  if (row.body_word === NODE_NEW) return { body: newBody(request, row, live), changed: true };
  if (row.body_word !== NODE_KEPT || live?.body == null)
    return { body: live?.body ?? null, changed: false };
  const blocks = stagedBlocks(request.intent, row.id);
  if (blocks.length === 0 && live.size === row.size) return { body: live.body, changed: false };
  const { index, core, digest } = request;
  patchDigestRows(index, core, {
    id: live.body,
    oldSize: live.size,
    size: row.size,
    blocks,
    changed: (first, before, after) => {
      digest.blocks('remove', { node: row.id, size: live.size }, { first, digests: before });
      digest.blocks('add', { node: row.id, size: row.size }, { first, digests: after });
    },
  });
  dropOverwritten(index, request.intent, live.body);
  locate(request, live.body, blocks);
  index.run('UPDATE body SET size = ? WHERE id = ?', row.size, live.body);
  return { body: live.body, changed: true };
}

function newBody(request: Cut, row: StagedNodeRow, live: NodeRow | undefined): number {
  const { index, core, intent, point, digest } = request;
  if (row.old_body !== null) endBody(request, row.old_body);
  if (live?.body != null) {
    digest.endContent(index, { node: row.id, body: live.body, size: live.size });
  }
  const id = Number(
    index
      .prepare('INSERT INTO body (node, born, died, place, size) VALUES (?, ?, ?, ?, ?)')
      .run(row.id, point, LIVE, Place.base, row.size).lastInsertRowid,
  );
  const blocks = stagedBlocks(intent, row.id);
  writeDigestRows(index, core, {
    id,
    size: row.size,
    blocks,
    changed: (first, _before, after) => {
      digest.blocks('add', { node: row.id, size: row.size }, { first, digests: after });
    },
  });
  locate(request, id, blocks);
  return id;
}

function stagedBlocks(intent: IndexDb, node: number): Pick<StagedBlock, 'block' | 'digest'>[] {
  return intent.all<Pick<StagedBlock, 'block' | 'digest'>>(
    'SELECT block, digest FROM block WHERE node = ? ORDER BY block',
    node,
  );
}

function locate(
  { index, core }: CutRequest,
  body: number,
  blocks: readonly Pick<StagedBlock, 'block' | 'digest'>[],
): void {
  const zero = zeroDigest(core, BLOCK_BYTES);
  for (const { block, digest } of blocks) {
    if (digest.equals(zero)) continue;
    index.run(
      'INSERT OR IGNORE INTO locate (prefix, body, block) VALUES (?, ?, ?)',
      digestPrefix(digest),
      body,
      block,
    );
  }
}

interface SyncRow {
  readonly sync: number;
  readonly incarnation: Buffer;
  readonly manifest: Buffer;
  readonly outcome: string;
  readonly received_bytes: number;
}

function writePoint({ index, intent, point, timeMs, digest }: Cut, totals: Totals): CutPoint {
  const row = intent.get<SyncRow>(
    'SELECT sync, incarnation, manifest, outcome, received_bytes FROM sync',
  );
  invariant(row !== undefined, 'the intent names its sync');
  const parent = newestChain(index);
  const chain = nextChain(parent, row.manifest, row.incarnation);
  index.run(
    `INSERT INTO point (point, time_ms, sync, chain, parent_chain, manifest, incarnation, outcome, files, bytes, changed_nodes, changed_bytes)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    point,
    timeMs,
    row.sync,
    chain,
    parent,
    row.manifest,
    row.incarnation,
    row.outcome,
    totals.files,
    totals.bytes,
    totals.changedNodes,
    row.received_bytes,
  );
  const value = storePointDigest(index, point, digest);
  duePoint(index, { point, timeMs, chain, digest: value, outcome: row.outcome, ...totals });
  return { point, sync: row.sync, chain, timeMs };
}

/** Chain digest of the newest point; zeros for none. */
export function newestChain(index: IndexDb): Buffer {
  return (
    index.get<{ chain: Buffer }>('SELECT chain FROM point ORDER BY point DESC LIMIT 1')?.chain ??
    Buffer.alloc(32)
  );
}
