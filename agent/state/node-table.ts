/** Nodes and their names, with the undo image of every row that the sync in flight changes. */
import type { Database, Statement } from 'better-sqlite3';
import { nodeKinds, type NodeKind } from '../../shared/protocol/records.js';
import type { FileCount } from './file-count.js';
import type { StateDatabase } from './state-database.js';

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

export interface NamedNode {
  readonly name: Buffer;
  readonly node: NodeRow;
}

export interface FolderEntry {
  readonly name: Buffer;
  readonly node: number;
}

type RawNode = [
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

const columns = 'id, kind, identity, status, size, target, xattrs, dirty, fresh';

export class NodeTable {
  readonly #base: StateDatabase;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #files: FileCount;

  constructor(base: StateDatabase, files: FileCount) {
    this.#base = base;
    this.#files = files;
    this.#sql = prepare(base.db);
  }

  get(id: number): NodeRow | undefined {
    return toNode(this.#sql.get.get(id));
  }

  byIdentity(identity: Buffer): NodeRow | undefined {
    return toNode(this.#sql.byIdentity.get(identity));
  }

  /** Direct children of a folder in the order of their names' bytes. */
  children(folder: number): NamedNode[] {
    const named: NamedNode[] = [];
    for (const [name, ...raw] of this.#sql.children.all(folder)) {
      named.push({ name, node: fromRaw(raw) });
    }
    return named;
  }

  childFolders(folder: number): FolderEntry[] {
    return this.#sql.childFolders.all(folder);
  }

  hasChildren(folder: number): boolean {
    return this.#sql.hasChildren.get(folder) !== undefined;
  }

  at(parent: number, name: Buffer): number | undefined {
    return this.#sql.at.get(parent, name);
  }

  /** What a folder's entry of this name is. */
  named(parent: number, name: Buffer): NamedNode | undefined {
    const node = this.at(parent, name);
    const row = node === undefined ? undefined : this.get(node);
    return row === undefined ? undefined : { name, node: row };
  }

  hasName(node: number): boolean {
    return this.#sql.hasName.get(node) !== undefined;
  }

  placesOf(node: number): { parent: number; name: Buffer }[] {
    return this.#sql.places.all(node);
  }

  insert(row: NodeRow): void {
    this.#base.writing();
    this.#sql.insert.run(...toRaw(row));
    if (row.kind !== 'folder') this.#files.add(1);
  }

  update(row: NodeRow): void {
    this.#keepNode(row.id);
    const [id, ...fields] = toRaw(row);
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
  const node = (where: string): Statement<unknown[], RawNode> =>
    db.prepare<unknown[], RawNode>(`SELECT ${columns} FROM node WHERE ${where}`).raw();
  return {
    get: node('id = ?'),
    byIdentity: node('identity = ?'),
    children: db
      .prepare<[number], [Buffer, ...RawNode]>(
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
    insert: db.prepare(`INSERT INTO node (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
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

function toRaw(row: NodeRow): RawNode {
  return [
    row.id,
    nodeKinds.indexOf(row.kind),
    row.identity,
    row.status,
    row.size,
    row.target,
    row.xattrs,
    Number(row.dirty),
    row.fresh,
  ];
}

function toNode(raw: RawNode | undefined): NodeRow | undefined {
  return raw === undefined ? undefined : fromRaw(raw);
}

function fromRaw(raw: RawNode): NodeRow {
  const [id, kind, identity, status, size, target, xattrs, dirty, fresh] = raw;
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
