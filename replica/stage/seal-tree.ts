/**
 * Checks what a sync says of names against the tree of its parent point, and works out what apply
 * has to do with them: which names are parked, which are placed and how (R5–R8). All of it ends up
 * as rows of the intent, so that redo after a crash does exactly the same.
 */
import { nodeKinds, SET_NODE } from '../../shared/protocol/records.js';
import { DEPTH_MAX } from '../apply/folders.js';
import type { IndexDb } from '../index/index-db.js';
import { entryStretches, nodeStretches, paged, stagedNodes } from '../index/paged.js';
import { entryAt, kindOf, namesAt, nodeAt } from '../index/nodes.js';
import { toPathText } from '../../shared/path-text.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import { refused } from './staged-content.js';

const FOLDER = nodeKinds.indexOf('folder');

/** The trees before and after a sync. */
export class TwoTrees {
  readonly #index: IndexDb;
  readonly #intent: IndexDb;
  readonly parent: number;

  constructor(index: IndexDb, intent: IndexDb, parentPoint: number) {
    this.#index = index;
    this.#intent = intent;
    this.parent = parentPoint;
  }

  /** First name of a node in the parent point. */
  readonly oldName = (node: number): { parent: number; name: Buffer } | undefined =>
    namesAt(this.#index, node, this.parent)[0];

  /** Names of a node after the sync. */
  newNames(node: number): { parent: number; name: Buffer }[] {
    const kept = namesAt(this.#index, node, this.parent).filter(
      ({ parent, name }) =>
        this.#intent.get('SELECT 1 FROM entry WHERE parent = ? AND name = ?', parent, name) ===
        undefined,
    );
    const added = this.#intent.all<{ parent: number; name: Buffer }>(
      'SELECT parent, name FROM entry WHERE node = ? ORDER BY parent, name',
      node,
    );
    return [...kept, ...added];
  }

  /** First name of a node after the sync. */
  readonly newName = (node: number): { parent: number; name: Buffer } | undefined =>
    this.newNames(node)[0];

  /** Folders above a node's parent folder, up to the set, in one of the trees. */
  depth(folder: number, nameOf: (node: number) => { parent: number } | undefined): number {
    let depth = 0;
    for (let at = folder; at !== SET_NODE; depth += 1) {
      const entry = nameOf(at);
      if (entry === undefined) throw refused(`folder ${at} has no name`, { node: at });
      if (depth > DEPTH_MAX)
        throw refused(`folder ${folder} lies in itself or deeper than ${DEPTH_MAX}`);
      at = entry.parent;
    }
    return depth;
  }
}

export interface TreePlanDeps {
  readonly index: IndexDb;
  readonly intent: IndexDb;
  readonly trees: TwoTrees;
  readonly slice: TimeSlice;
}

interface EntryOp {
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
}

interface CheckedEntry extends EntryOp {
  /** Whether the sync makes the folder: no name in it was there before. */
  readonly in_fresh: number | null;
}

/**
 * Drops rows that change nothing, notes what each name held before, checks that links can be. A new
 * node in a new folder needs none of that.
 */
export async function checkEntries(deps: TreePlanDeps): Promise<void> {
  const { index, intent, trees, slice } = deps;
  const point = trees.parent;
  const drop = intent.db.prepare('DELETE FROM entry WHERE parent = ? AND name = ?');
  const note = intent.db.prepare('UPDATE entry SET old = ? WHERE parent = ? AND name = ?');
  intent.run('DELETE FROM touched');
  for (const { after, upTo } of entryStretches(intent)) {
    const rows = intent.all<CheckedEntry>(
      `SELECT e.parent, e.name, e.node, p.fresh AS in_fresh
       FROM entry e LEFT JOIN node p ON p.id = e.parent LEFT JOIN node n ON n.id = e.node
       WHERE (e.parent, e.name) > (?, ?) AND (e.parent, e.name) <= (?, ?)
         AND NOT (coalesce(p.fresh, 0) = 1 AND p.kind = ${FOLDER} AND coalesce(n.fresh, 0) = 1)`,
      ...after,
      ...upTo,
    );
    for (const { parent, name, node, in_fresh: inFresh } of rows) {
      const old = inFresh === 1 ? 0 : (entryAt(index, { parent, name, point })?.node ?? 0);
      if (old === node) drop.run(parent, name);
      else if (old !== 0) note.run(old, parent, name);
      for (const touched of [old, node]) if (touched !== 0) touch(intent, touched);
      if (node !== 0) checkLink(deps, { parent, name, node });
      await slice.breathe();
    }
    await slice.breathe();
  }
  await findDead(deps);
  intent.run('DELETE FROM touched');
}

function touch(intent: IndexDb, node: number): void {
  intent.run('INSERT OR IGNORE INTO touched (node) VALUES (?)', node);
}

function checkLink({ index, intent, trees }: TreePlanDeps, op: EntryOp): void {
  const known = nodeKind(index, intent, { node: op.node, point: trees.parent });
  if (known === undefined)
    throw refused(`name ${toPathText(op.name)} is given to node ${op.node}, which is not there`);
  if (op.parent === SET_NODE) return;
  const parentKind = nodeKind(index, intent, { node: op.parent, point: trees.parent });
  if (parentKind !== 'folder') {
    throw refused(`name ${toPathText(op.name)} is put into node ${op.parent}, which is no folder`);
  }
}

/** Kind of a node as the sync leaves it, or as the parent point has it; undefined when it is not there. */
export function nodeKind(
  index: IndexDb,
  intent: IndexDb,
  at: { node: number; point: number },
): string | undefined {
  const staged = intent.get<{ kind: number }>('SELECT kind FROM node WHERE id = ?', at.node);
  const kind = staged?.kind ?? nodeAt(index, at.node, at.point)?.kind;
  return kind === undefined ? undefined : kindOf(kind);
}

/** Marks nodes left without a name as dead, drops new ones that never got one, checks folders. */
async function findDead(deps: TreePlanDeps): Promise<void> {
  const { index, intent, trees, slice } = deps;
  for (const { after, upTo } of nodeStretches(intent)) {
    intent.run(
      `INSERT OR IGNORE INTO touched (node) SELECT id FROM node n WHERE id > ? AND id <= ?
         AND (fresh = 0 OR kind = ${FOLDER} OR NOT EXISTS (SELECT 1 FROM entry WHERE node = n.id))`,
      ...after,
      ...upTo,
    );
    await slice.breathe();
  }
  const touched = paged<{ readonly node: number }>(intent, {
    sql: 'SELECT node FROM touched WHERE node > ? ORDER BY node LIMIT ?',
    start: [0],
    cursorOf: ({ node }) => [node],
  });
  for (const { node } of touched) {
    const names = trees.newNames(node);
    const kind = nodeKind(index, intent, { node, point: trees.parent });
    if (names.length === 0) markDead(deps, node);
    else if (kind === 'folder' && names.length > 1) throw refused(`folder ${node} has two names`);
    await slice.breathe();
  }
  const dead = { columns: 'id', where: 'dead = 1' };
  for (const { id: node } of stagedNodes<{ readonly id: number }>(intent, dead)) {
    if (hasChildren(deps, node)) {
      throw refused(`folder ${node} is removed but still holds names`);
    }
  }
}

function markDead({ index, intent, trees }: TreePlanDeps, node: number): void {
  const live = nodeAt(index, node, trees.parent);
  if (live === undefined) {
    for (const table of ['block', 'zero_run'])
      intent.run(`DELETE FROM ${table} WHERE node = ?`, node);
    intent.run('UPDATE node SET dead = 2 WHERE id = ?', node);
    return;
  }
  intent.run(
    `INSERT INTO node (id, fresh, kind, mode, uid, gid, size, mtime_s, mtime_ns, rdev, target, xattrs, body_word, old_body, dead)
     VALUES (?, 0, ?, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, ?, 1)
     ON CONFLICT (id) DO UPDATE SET dead = 1, old_body = excluded.old_body`,
    node,
    live.kind,
    live.body,
  );
  for (const table of ['block', 'zero_run'])
    intent.run(`DELETE FROM ${table} WHERE node = ?`, node);
}

function hasChildren({ index, intent, trees }: TreePlanDeps, folder: number): boolean {
  if (
    intent.get('SELECT 1 FROM entry WHERE parent = ? AND node <> 0 LIMIT 1', folder) !== undefined
  )
    return true;
  const children = index.iterate<{ name: Buffer }>(
    'SELECT name FROM entry WHERE parent = ? AND born <= ? AND died > ?',
    folder,
    trees.parent,
    trees.parent,
  );
  for (const { name } of children) {
    if (intent.get('SELECT 1 FROM entry WHERE parent = ? AND name = ?', folder, name) === undefined)
      return true;
  }
  return false;
}
