/**
 * The order in which apply moves names: every name that goes is parked deepest first, every name
 * that comes is placed top-down (R6, R7). A file whose body is written anew gives up and gets back
 * all its names, because the old inode has to leave them. Names are sorted by the database, so that
 * memory does not grow with the sync.
 */
import { SET_NODE } from '../../shared/protocol/records.js';
import { invariant } from '../../shared/errors.js';
import type { IndexDb } from '../index/index-db.js';
import {
  entryStretches,
  paged,
  placedAlone,
  type StagedEntryRow,
  stagedNodes,
  type Stretch,
} from '../index/paged.js';
import { nodeKind, type TreePlanDeps } from './seal-tree.js';

interface Name {
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
}

interface SortedName extends Name {
  readonly depth: number;
}

/** How a name comes to be: see `placeOne` in apply/names.ts. */
export type PlaceWay = 'park' | 'moved-folder' | 'new' | 'folder' | 'symlink' | 'link';

/** Kinds that the base holds; the others live in the index alone (R23). */
const inBase = new Set(['file', 'folder', 'symlink']);
const DEPTHS_KNOWN_MAX = 10_000;

export async function planNames(deps: TreePlanDeps): Promise<void> {
  const { intent } = deps;
  for (const table of ['park', 'place', 'going', 'coming']) intent.run(`DELETE FROM ${table}`);
  await sortNames(deps);
  await writeParked(deps);
  await writePlaced(deps);
  for (const table of ['going', 'coming']) intent.run(`DELETE FROM ${table}`);
}

/**
 * Fills `going` and `coming`, each with the depth of its folder in its tree. What is placed alone
 * comes after all of them, and needs no row.
 */
async function sortNames(deps: TreePlanDeps): Promise<void> {
  const { intent, trees, slice } = deps;
  const before = new Depths((folder) => trees.depth(folder, trees.oldName));
  const after = new Depths((folder) => trees.depth(folder, trees.newName));
  const add = (table: 'going' | 'coming', { parent, name, node }: Name): void => {
    if (!inBase.has(kindOfNode(deps, node))) return;
    const depth = (table === 'going' ? before : after).of(parent);
    intent.run(
      `INSERT INTO ${table} (depth, parent, name, node) VALUES (?, ?, ?, ?)`,
      depth,
      parent,
      name,
      node,
    );
  };
  for (const { after: from, upTo } of entryStretches(intent)) {
    checkFolders(intent, { after: from, upTo }, after);
    const rows = intent.all<StagedEntryRow & { readonly alone: number | null }>(
      `SELECT e.parent, e.name, e.node, e.old, ${placedAlone} AS alone
       FROM entry e LEFT JOIN node n ON n.id = e.node
       WHERE (e.parent, e.name) > (?, ?) AND (e.parent, e.name) <= (?, ?)
         AND (e.old <> 0 OR (e.node <> 0 AND ${placedAlone} IS NOT TRUE))`,
      ...from,
      ...upTo,
    );
    for (const { parent, name, node, old, alone } of rows) {
      if (old !== 0) add('going', { parent, name, node: old });
      if (node !== 0 && alone !== 1) add('coming', { parent, name, node });
      await slice.breathe();
    }
    await slice.breathe();
  }
  const rebodied = { columns: 'id', where: 'body_word = 2 AND fresh = 0 AND dead = 0' };
  for (const { id } of stagedNodes<{ readonly id: number }>(intent, rebodied)) {
    for (const name of persistingNames(deps, id)) {
      add('going', { ...name, node: id });
      add('coming', { ...name, node: id });
    }
    await slice.breathe();
  }
}

/** Every folder that is given a name must stand in the tree. */
function checkFolders(intent: IndexDb, { after, upTo }: Stretch, depths: Depths): void {
  const folders = intent.all<{ parent: number }>(
    `SELECT DISTINCT parent FROM entry
     WHERE (parent, name) > (?, ?) AND (parent, name) <= (?, ?) AND node <> 0`,
    ...after,
    ...upTo,
  );
  for (const { parent } of folders) depths.of(parent);
}

function kindOfNode({ index, intent, trees }: TreePlanDeps, node: number): string {
  const kind = nodeKind(index, intent, { node, point: trees.parent });
  invariant(kind !== undefined, `node ${node} of a name is known`);
  return kind;
}

/** Names a node has before and after the sync. */
function persistingNames(
  { intent, trees }: TreePlanDeps,
  node: number,
): { parent: number; name: Buffer }[] {
  return trees
    .newNames(node)
    .filter(
      ({ parent, name }) =>
        intent.get('SELECT 1 FROM entry WHERE parent = ? AND name = ?', parent, name) === undefined,
    );
}

async function writeParked({ intent, slice }: TreePlanDeps): Promise<void> {
  const names = paged<SortedName>(intent, {
    sql: `SELECT depth, parent, name, node FROM going
          WHERE (-depth, parent, name) > (?, ?, ?) ORDER BY -depth, parent, name LIMIT ?`,
    start: [-Number.MAX_SAFE_INTEGER, -1, Buffer.alloc(0)],
    cursorOf: ({ depth, parent, name }) => [-depth, parent, name],
  });
  for (const { parent, name, node } of names) {
    const parked = intent.get<{ k: number }>('SELECT count(*) AS k FROM park WHERE node = ?', node);
    intent.run(
      'INSERT INTO park (parent, name, node, k) VALUES (?, ?, ?, ?)',
      parent,
      name,
      node,
      parked?.k ?? 0,
    );
    await slice.breathe();
  }
}

/**
 * Links to a name that stays come last: the folder above that name may itself be placed anywhere.
 */
async function writePlaced(deps: TreePlanDeps): Promise<void> {
  const { intent, slice } = deps;
  for (const late of [false, true]) {
    const names = paged<SortedName>(intent, {
      sql: `SELECT depth, parent, name, node FROM coming
            WHERE (depth, parent, name) > (?, ?, ?) ORDER BY depth, parent, name LIMIT ?`,
      start: [-1, -1, Buffer.alloc(0)],
      cursorOf: ({ depth, parent, name }) => [depth, parent, name],
    });
    for (const name of names) {
      const way = placeWay(deps, name);
      if (way.late === late) insertPlace(intent, name, way);
      await slice.breathe();
    }
    if (intent.get('SELECT 1 FROM coming LIMIT 1') === undefined) return;
  }
}

interface Way {
  readonly way: PlaceWay;
  readonly late: boolean;
  readonly from?: { readonly parent: number; readonly name: Buffer };
}

function insertPlace(intent: IndexDb, { parent, name, node }: Name, { way, from }: Way): void {
  intent.run(
    'INSERT INTO place (parent, name, node, way, from_parent, from_name) VALUES (?, ?, ?, ?, ?, ?)',
    parent,
    name,
    node,
    way,
    from?.parent ?? null,
    from?.name ?? null,
  );
}

function placeWay(deps: TreePlanDeps, name: SortedName): Way {
  const { intent } = deps;
  const { node } = name;
  const kind = kindOfNode(deps, node);
  if (kind === 'symlink') return { way: 'symlink', late: false };
  const staged = intent.get<{ fresh: number; body_word: number }>(
    'SELECT fresh, body_word FROM node WHERE id = ?',
    node,
  );
  if (kind === 'folder')
    return { way: staged?.fresh === 1 ? 'folder' : 'moved-folder', late: false };
  const isNew = staged !== undefined && (staged.fresh === 1 || staged.body_word === 2);
  const kept = isNew ? undefined : persistingNames(deps, node)[0];
  const late = kept !== undefined;
  const first = intent.get<Name>(
    'SELECT parent, name FROM coming WHERE node = ? ORDER BY depth, parent, name LIMIT 1',
    node,
  );
  if (first !== undefined && !(first.parent === name.parent && first.name.equals(name.name))) {
    return { way: 'link', late, from: first };
  }
  if (isNew) return { way: 'new', late };
  return kept === undefined ? { way: 'park', late } : { way: 'link', late, from: kept };
}

/** Depths of folders, mostly worked out once. */
class Depths {
  readonly #known = new Map<number, number>([[SET_NODE, 0]]);
  readonly #depthOf: (folder: number) => number;

  constructor(depthOf: (folder: number) => number) {
    this.#depthOf = depthOf;
  }

  of(folder: number): number {
    let depth = this.#known.get(folder);
    if (depth === undefined) {
      depth = this.#depthOf(folder);
      if (this.#known.size >= DEPTHS_KNOWN_MAX) this.#known.clear();
      this.#known.set(folder, depth);
    }
    return depth;
  }
}
