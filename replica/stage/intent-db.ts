/**
 * The intent: all that is known of the sync under way, in `intent/intent.db` beside the pages it
 * carries. Rows are written as records arrive; every write of a record is a plain replacement, so
 * that frames received again after a crash change nothing (docs/design/intent.md).
 */
import path from 'node:path';
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { asAfterimageError } from '../../shared/errors.js';
import { IndexDb } from '../index/index-db.js';
import { beforeTable } from '../index/schema.js';
import { isStorageTrouble } from '../stall.js';

const schema = `
CREATE TABLE IF NOT EXISTS sync (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  boot TEXT NOT NULL,
  sync INTEGER NOT NULL,
  incarnation BLOB NOT NULL,
  -- newest frame whose effects a power cut cannot take
  durable INTEGER NOT NULL,
  sealed INTEGER NOT NULL,
  manifest BLOB,
  outcome TEXT,
  -- the frame that brought the end record; 0 until then
  ended_frame INTEGER NOT NULL DEFAULT 0,
  received_bytes INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS manifest_record (seq INTEGER PRIMARY KEY, frame INTEGER NOT NULL, records BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS node (
  id INTEGER PRIMARY KEY,
  fresh INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_s INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  rdev INTEGER NOT NULL,
  target BLOB,
  xattrs BLOB,
  body_word INTEGER NOT NULL,
  -- set by sealing: the body in the parent point, what becomes of the node
  old_body INTEGER,
  dead INTEGER NOT NULL DEFAULT 0
);
-- the last word on a name; node 0: removed
CREATE TABLE IF NOT EXISTS entry (
  parent INTEGER NOT NULL,
  name BLOB NOT NULL,
  node INTEGER NOT NULL,
  old INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (parent, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_node ON entry (node);
-- a block's new content: in new/<node> (length 0), or in the pages file (offset, length, mask)
CREATE TABLE IF NOT EXISTS block (
  node INTEGER NOT NULL,
  block INTEGER NOT NULL,
  digest BLOB NOT NULL,
  prefix INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  mask INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (node, block)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS block_prefix ON block (prefix);
CREATE TABLE IF NOT EXISTS zero_run (
  node INTEGER NOT NULL,
  block INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (node, block)
) WITHOUT ROWID;
-- made by sealing, in the order of apply
${beforeTable}
CREATE TABLE IF NOT EXISTS park (
  seq INTEGER PRIMARY KEY,
  parent INTEGER NOT NULL,
  name BLOB NOT NULL,
  node INTEGER NOT NULL,
  k INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS park_node ON park (node);
-- nodes whose names sealing looks at one by one, empty otherwise
CREATE TABLE IF NOT EXISTS touched (node INTEGER PRIMARY KEY);
-- names sorted while sealing plans, empty otherwise
CREATE TABLE IF NOT EXISTS going (
  depth INTEGER NOT NULL, parent INTEGER NOT NULL, name BLOB NOT NULL, node INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS going_order ON going (-depth, parent, name);
CREATE TABLE IF NOT EXISTS coming (
  depth INTEGER NOT NULL, parent INTEGER NOT NULL, name BLOB NOT NULL, node INTEGER NOT NULL,
  PRIMARY KEY (depth, parent, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS coming_node ON coming (node, depth, parent, name);
CREATE TABLE IF NOT EXISTS place (
  seq INTEGER PRIMARY KEY,
  parent INTEGER NOT NULL,
  name BLOB NOT NULL,
  node INTEGER NOT NULL,
  way TEXT NOT NULL,
  from_parent INTEGER,
  from_name BLOB
);
`;

export interface IntentFolders {
  /** The set's folder on the replica. */
  readonly set: string;
  readonly intent: string;
  readonly new: string;
  readonly park: string;
}

export function intentFolders(setFolder: string): IntentFolders {
  return {
    set: setFolder,
    intent: path.join(setFolder, 'intent'),
    new: path.join(setFolder, 'new'),
    park: path.join(setFolder, 'park'),
  };
}

/** File of an intent folder. */
export function intentFile(intentFolder: string): string {
  return path.join(intentFolder, 'intent.db');
}

/** Opens the intent of `folder`, making it when it is not there. Its commits are not durable by themselves. */
export function openIntent(folder: string): IndexDb {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const db = new Database(intentFile(folder));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.pragma('wal_autocheckpoint = 16384');
  db.pragma('cache_size = -32768');
  db.exec(schema);
  return new IndexDb(db);
}

/**
 * Closes an intent. Rows that the disk does not take any more are lost: their frames are not durable,
 * and come again.
 */
export function closeIntent(intent: IndexDb): void {
  try {
    if (intent.db.inTransaction) intent.db.exec('COMMIT');
  } catch (error) {
    const { code } = asAfterimageError(error);
    if (code !== 'damaged' && !isStorageTrouble({ code })) throw error;
  } finally {
    intent.close();
  }
}
