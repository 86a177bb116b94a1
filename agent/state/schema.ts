/**
 * The tables of a set's state database: what the replica holds of each file, as the agent knows it,
 * beside what the file looked like when it was last read. A sync in flight changes the tables in
 * place; the first image of each row it touches goes to the `undo_…` tables.
 */
export const STATE_VERSION = 1;

export const stateSchema = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

-- Device numbers change over a reboot; rows name them by an own number.
CREATE TABLE device (id INTEGER PRIMARY KEY AUTOINCREMENT, dev INTEGER NOT NULL UNIQUE);

-- identity: device id, inode, birth time; NULL when the row came from the replica.
-- status: what was seen when the node was last read (see status.ts).
-- size: bytes of content that the replica was told. dirty: 1 asks for another look.
-- fresh: the sync that writes the body anew, 0 for none.
CREATE TABLE node (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  identity BLOB,
  status BLOB NOT NULL,
  size INTEGER NOT NULL,
  target BLOB,
  xattrs BLOB,
  dirty INTEGER NOT NULL,
  fresh INTEGER NOT NULL
);
CREATE INDEX node_identity ON node(identity) WHERE identity IS NOT NULL;

CREATE TABLE entry (
  parent INTEGER NOT NULL,
  name BLOB NOT NULL,
  node INTEGER NOT NULL,
  folder INTEGER NOT NULL,
  PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE INDEX entry_node ON entry(node);
CREATE INDEX entry_folder ON entry(parent, name, node) WHERE folder = 1;

-- 16 blocks (1 MiB of the file) a row, see block-row.ts. No row: all of them are zero.
CREATE TABLE digest (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL,
  first INTEGER NOT NULL,
  bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX digest_place ON digest(node, first);

-- Hash of a folder's packed scan, while the rows of its direct children say the same as the scan.
CREATE TABLE fingerprint (node INTEGER PRIMARY KEY, hash BLOB NOT NULL, sync INTEGER NOT NULL);

-- Nodes without a name in a walk under way: dead, or met elsewhere later.
CREATE TABLE orphan (node INTEGER PRIMARY KEY);

-- At most one row: the sync in flight. Nodes from first_node on were made by it.
CREATE TABLE flight (
  sync INTEGER PRIMARY KEY,
  phase TEXT NOT NULL,
  first_node INTEGER NOT NULL,
  manifest BLOB
);
CREATE TABLE undo_node AS SELECT * FROM node WHERE 0;
CREATE UNIQUE INDEX undo_node_id ON undo_node(id);
-- node NULL: there was no such entry.
CREATE TABLE undo_entry (
  parent INTEGER NOT NULL, name BLOB NOT NULL, node INTEGER, folder INTEGER,
  PRIMARY KEY (parent, name)
) WITHOUT ROWID;
-- bytes NULL: there was no such row.
CREATE TABLE undo_digest (
  node INTEGER NOT NULL, first INTEGER NOT NULL, bytes BLOB,
  PRIMARY KEY (node, first)
) WITHOUT ROWID;

-- Digest rows of files that were hashed in a sync that was lost, by identity and status (R12).
CREATE TABLE provisional (
  file BLOB NOT NULL, first INTEGER NOT NULL, bytes BLOB NOT NULL,
  PRIMARY KEY (file, first)
) WITHOUT ROWID;
`;

/** Also run on a database that was made before there was this table. */
export const basisSchema = `
CREATE TABLE IF NOT EXISTS basis (node INTEGER PRIMARY KEY, basis TEXT NOT NULL);
-- basis NULL: there was no such row.
CREATE TABLE IF NOT EXISTS undo_basis (node INTEGER PRIMARY KEY, basis TEXT);
`;
