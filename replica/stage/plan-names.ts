/**
 * The order in which apply moves names: every name that goes is parked deepest first, every name
 * that comes is placed top-down (R6, R7). A file whose body is written anew gives up and gets back
 * all its names, because the old inode has to leave them.
 */
import { SET_NODE } from '../../shared/protocol/records.js';
import { invariant } from '../../shared/errors.js';
import { kindOf, nodeAt } from '../index/nodes.js';
import type { TreePlanDeps } from './seal-tree.js';

interface Name {
  readonly parent: number;
  readonly name: Buffer;
  readonly node: number;
}

/** How a name comes to be: see `placeOne` in apply/names.ts. */
export type PlaceWay = 'park' | 'moved-folder' | 'new' | 'folder' | 'symlink' | 'link';

/** Kinds that the base holds; the others live in the index alone (R23). */
const inBase = new Set(['file', 'folder', 'symlink']);

export async function planNames(deps: TreePlanDeps): Promise<void> {
  const { intent, slice } = deps;
  intent.run('DELETE FROM park');
  intent.run('DELETE FROM place');
  const rebodied = intent.all<{ id: number }>(
    'SELECT id FROM node WHERE body_word = 2 AND fresh = 0 AND dead = 0',
  );
  const parked: Name[] = intent
    .all<{ parent: number; name: Buffer; old: number }>(
      'SELECT parent, name, old FROM entry WHERE old <> 0',
    )
    .map(({ parent, name, old }) => ({ parent, name, node: old }));
  const placed: Name[] = intent.all<Name>('SELECT parent, name, node FROM entry WHERE node <> 0');
  for (const { id } of rebodied) {
    for (const name of persistingNames(deps, id)) {
      parked.push({ ...name, node: id });
      placed.push({ ...name, node: id });
    }
    await slice.breathe();
  }
  await writeParked(deps, parked);
  await writePlaced(deps, { placed, parkedNodes: new Set(parked.map(({ node }) => node)) });
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

async function writeParked(deps: TreePlanDeps, names: readonly Name[]): Promise<void> {
  const { intent, index, trees, slice } = deps;
  const depths = new Depths((folder) => trees.depth(folder, trees.oldName));
  const ordered = names
    .filter(({ node }) => {
      const row = nodeAt(index, node, trees.parent);
      return row !== undefined && inBase.has(kindOf(row.kind));
    })
    .map((name) => ({ ...name, depth: depths.of(name.parent) }))
    .sort((a, b) => b.depth - a.depth || a.parent - b.parent || a.name.compare(b.name));
  const counts = new Map<number, number>();
  const insert = intent.db.prepare('INSERT INTO park (parent, name, node, k) VALUES (?, ?, ?, ?)');
  for (const { parent, name, node } of ordered) {
    const k = counts.get(node) ?? 0;
    counts.set(node, k + 1);
    insert.run(parent, name, node, k);
    await slice.breathe();
  }
}

async function writePlaced(
  deps: TreePlanDeps,
  names: { readonly placed: readonly Name[]; readonly parkedNodes: ReadonlySet<number> },
): Promise<void> {
  const { intent, trees, slice } = deps;
  const depths = new Depths((folder) => trees.depth(folder, trees.newName));
  const ordered = names.placed
    .map((name) => ({ ...name, depth: depths.of(name.parent) }))
    .sort((a, b) => a.depth - b.depth || a.parent - b.parent || a.name.compare(b.name));
  const first = new Map<number, { parent: number; name: Buffer }>();
  const insert = intent.db.prepare(
    'INSERT INTO place (parent, name, node, way, from_parent, from_name) VALUES (?, ?, ?, ?, ?, ?)',
  );
  // Links to a name that stays come last: the folder above that name may itself be placed anywhere.
  const late: (() => void)[] = [];
  const lateNodes = new Set<number>();
  for (const { parent, name, node } of ordered) {
    const way = placeWay(deps, {
      node,
      first: first.get(node),
      parked: names.parkedNodes.has(node),
    });
    if (way === undefined) continue;
    const from = way.way === 'link' ? way.from : { parent: null, name: null };
    const write = (): void => {
      insert.run(parent, name, node, way.way, from.parent, from.name);
    };
    if (way.way === 'link' && !first.has(node)) lateNodes.add(node);
    if (lateNodes.has(node)) late.push(write);
    else write();
    if (!first.has(node)) first.set(node, { parent, name });
    await slice.breathe();
  }
  for (const write of late) write();
}

type Way =
  | { readonly way: Exclude<PlaceWay, 'link'> }
  | { readonly way: 'link'; readonly from: { parent: number; name: Buffer } };

function placeWay(
  deps: TreePlanDeps,
  at: { node: number; first: { parent: number; name: Buffer } | undefined; parked: boolean },
): Way | undefined {
  const { index, intent, trees } = deps;
  const staged = intent.get<{ kind: number; fresh: number; body_word: number }>(
    'SELECT kind, fresh, body_word FROM node WHERE id = ?',
    at.node,
  );
  const kindNumber = staged?.kind ?? nodeAt(index, at.node, trees.parent)?.kind;
  invariant(kindNumber !== undefined, `placed node ${at.node} is known`);
  const kind = kindOf(kindNumber);
  if (!inBase.has(kind)) return undefined;
  if (kind === 'symlink') return { way: 'symlink' };
  if (kind === 'folder') return { way: staged?.fresh === 1 ? 'folder' : 'moved-folder' };
  if (at.first !== undefined) return { way: 'link', from: at.first };
  if (staged !== undefined && (staged.fresh === 1 || staged.body_word === 2)) return { way: 'new' };
  const kept = persistingNames(deps, at.node)[0];
  if (kept !== undefined) return { way: 'link', from: kept };
  return { way: 'park' };
}

/** Depths of folders, each worked out once. */
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
      this.#known.set(folder, depth);
    }
    return depth;
  }
}
