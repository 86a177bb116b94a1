/** Nodes and their names, with the undo image of every row that the sync in flight changes. */
import type { Database, Statement } from 'better-sqlite3';
import { nodeKinds } from '../../shared/protocol/records.js';
import type { FileCount } from './file-count.js';
import { KnownIdentities } from './known-identities.js';
import { nodeColumns, nodeOf, type NodeRow, nodeValues, type NodeValues } from './node-row.js';
import type { StateDatabase } from './state-database.js';

export interface NamedNode {
  readonly name: Buffer;
  readonly node: NodeRow;
}

export interface FolderEntry {
  readonly name: Buffer;
  readonly node: number;
}

export class NodeTable {
  readonly #base: StateDatabase;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #files: FileCount;
  /** Of all rows; undefined when there were some before. */
  #known: KnownIdentities | undefined;

  constructor(base: StateDatabase, files: FileCount) {
    this.#base = base;
    this.#files = files;
    this.#sql = prepare(base.db);
    if (this.#sql.any.get() === undefined) this.#known = new KnownIdentities();
  }

  /** A first copy is over: what it needed in memory goes. */
  endFirst(): void {
    this.#known = undefined;
  }

  get(id: number): NodeRow | undefined {
    this.#base.reading();
    return toNode(this.#sql.get.get(id));
  }

  byIdentity(identity: Buffer): NodeRow | undefined {
    if (this.#known?.mayHave(identity) === false) return undefined;
    this.#base.reading();
    return toNode(this.#sql.byIdentity.get(identity));
  }

  /** Direct children of a folder in the order of their names' bytes. */
  children(folder: number): NamedNode[] {
    this.#base.reading();
    const named: NamedNode[] = [];
    for (const [name, ...values] of this.#sql.children.all(folder)) {
      named.push({ name, node: nodeOf(values) });
    }
    return named;
  }

  childFolders(folder: number): FolderEntry[] {
    this.#base.reading();
    return this.#sql.childFolders.all(folder);
  }

  hasChildren(folder: number): boolean {
    this.#base.reading();
    return this.#sql.hasChildren.get(folder) !== undefined;
  }

  at(parent: number, name: Buffer): number | undefined {
    this.#base.reading();
    return this.#sql.at.get(parent, name);
  }

  /** What a folder's entry of this name is. */
  named(parent: number, name: Buffer): NamedNode | undefined {
    const node = this.at(parent, name);
    const row = node === undefined ? undefined : this.get(node);
    return row === undefined ? undefined : { name, node: row };
  }

  hasName(node: number): boolean {
    this.#base.reading();
    return this.#sql.hasName.get(node) !== undefined;
  }

  placesOf(node: number): { parent: number; name: Buffer }[] {
    this.#base.reading();
    return this.#sql.places.all(node);
  }

  insert(row: NodeRow): void {
    this.#base.writing();
    this.#sql.insert.run(...nodeValues(row));
    this.know(row);
    if (row.kind !== 'folder') this.#files.add(1);
  }

  /** Of a row that is written elsewhere. */
  know({ identity }: Pick<NodeRow, 'identity'>): void {
    if (identity !== null) this.#known?.add(identity);
  }

  update(row: NodeRow): void {
    this.#keepNode(row.id);
    this.know(row);
    const [id, ...fields] = nodeValues(row);
    this.#sql.update.run(...fields, id);
  }

  delete(id: number): void {
    this.#keepNode(id);
    const kind = this.#sql.delete.get(id);
    if (kind !== undefined && nodeKinds[kind] !== 'folder') this.#files.add(-1);
  }

  /** Gives a node a name. Returns the node that had it before. */
  link(entry: { parent: number; name: Buffer; node: number; folder: boolean }): number | undefined {
    const before = this.at(entry.parent, entry.name);
    if (before === entry.node) return before;
    this.#keepEntry(entry, before);
    this.#sql.link.run(entry.parent, entry.name, entry.node, Number(entry.folder));
    return before;
  }

  unlink(parent: number, name: Buffer): void {
    this.#keepEntry({ parent, name, node: 0 }, this.at(parent, name));
    this.#sql.unlink.run(parent, name);
  }

  #keepNode(id: number): void {
    this.#base.writing();
    if (id < this.#base.undoBelow) this.#sql.keepNode.run(id);
  }

  /** Entries of or under nodes that the sync made go with these nodes and need no image. */
  #keepEntry(
    entry: { parent: number; name: Buffer; node: number },
    before: number | undefined,
  ): void {
    this.#base.writing();
    const limit = this.#base.undoBelow;
    if (entry.parent >= limit) return;
    if (before === undefined) {
      if (entry.node < limit) this.#sql.keepNoEntry.run(entry.parent, entry.name);
    } else if (before < limit || entry.node < limit) {
      this.#sql.keepEntry.run(limit, limit, entry.parent, entry.name);
    }
  }
}

function prepare(db: Database) {
  const node = (where: string): Statement<unknown[], NodeValues> =>
    db.prepare<unknown[], NodeValues>(`SELECT ${nodeColumns} FROM node WHERE ${where}`).raw();
  return {
    any: db.prepare<[], number>('SELECT 1 FROM node LIMIT 1').pluck(),
    get: node('id = ?'),
    byIdentity: node('identity = ?'),
    children: db
      .prepare<[number], [Buffer, ...NodeValues]>(
        `SELECT e.name, n.id, n.kind, n.identity, n.status, n.size, n.target, n.xattrs, n.dirty,
           n.fresh FROM entry e JOIN node n ON n.id = e.node WHERE e.parent = ? ORDER BY e.name`,
      )
      .raw(),
    childFolders: db.prepare<[number], FolderEntry>(
      'SELECT name, node FROM entry WHERE parent = ? AND folder = 1 ORDER BY name',
    ),
    hasChildren: db
      .prepare<[number], number>('SELECT 1 FROM entry WHERE parent = ? LIMIT 1')
      .pluck(),
    at: db
      .prepare<[number, Buffer], number>('SELECT node FROM entry WHERE parent = ? AND name = ?')
      .pluck(),
    hasName: db.prepare<[number], number>('SELECT 1 FROM entry WHERE node = ? LIMIT 1').pluck(),
    places: db.prepare<[number], { parent: number; name: Buffer }>(
      'SELECT parent, name FROM entry WHERE node = ?',
    ),
    insert: db.prepare(`INSERT INTO node (${nodeColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    update: db.prepare(
      `UPDATE node SET kind = ?, identity = ?, status = ?, size = ?, target = ?, xattrs = ?,
         dirty = ?, fresh = ? WHERE id = ?`,
    ),
    delete: db.prepare<[number], number>('DELETE FROM node WHERE id = ? RETURNING kind').pluck(),
    link: db.prepare('INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)'),
    unlink: db.prepare('DELETE FROM entry WHERE parent = ? AND name = ?'),
    keepNode: db.prepare('INSERT OR IGNORE INTO undo_node SELECT * FROM node WHERE id = ?'),
    keepNoEntry: db.prepare('INSERT OR IGNORE INTO undo_entry VALUES (?, ?, NULL, NULL)'),
    // A name that a node of this sync has now was absent before, or its image is there already.
    keepEntry: db.prepare(
      `INSERT OR IGNORE INTO undo_entry
       SELECT parent, name, iif(node < ?, node, NULL), iif(node < ?, folder, NULL)
       FROM entry WHERE parent = ? AND name = ?`,
    ),
  };
}

function toNode(values: NodeValues | undefined): NodeRow | undefined {
  return values === undefined ? undefined : nodeOf(values);
}
