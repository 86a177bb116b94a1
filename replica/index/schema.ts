/**
 * The index of a set: one SQLite file for all its points. Rows carry the interval of points
 * [born, died) in which they hold, so a point is a number and a cut costs what changed.
 * docs/design/index.md explains each table; R1–R4 are its invariants.
 */

/** `died` of what still holds. */
export const LIVE = 0x7fff_ffff;
/**
 * Version 2 added the indexes by which pruning finds what ended between two points, version 3 those by
 * which points are counted and drawn without reading their contexts.
 */
export const INDEX_VERSION = 3;
/** Versions that only lack tables or indexes, which opening adds. */
export const INDEX_VERSION_MIN = 1;

/** Where a body's inode is; `nowhere`: a number kept so that it is not given out again. */
export const Place = { nowhere: -1, base: 0, attic: 1 } as const;

/** Blocks whose digests share one row of `digests`: 128 × 32 bytes = 4 KiB (R24). */
export const DIGESTS_PER_ROW = 128;

/** What a block held up to a point; the intent has the same table, from which transaction A takes it. */
export const beforeTable = `
CREATE TABLE IF NOT EXISTS before (
  body INTEGER NOT NULL,
  block INTEGER NOT NULL,
  hi INTEGER NOT NULL,
  lo INTEGER NOT NULL,
  mask INTEGER NOT NULL,
  digest BLOB NOT NULL,
  pack INTEGER,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  damaged INTEGER NOT NULL,
  PRIMARY KEY (body, block, hi)
) WITHOUT ROWID;
`;

/** What a timeline needs of a point's outcome; null where that is no JSON. */
export const pointSummary = {
  consistency: summaryOf("json_extract(outcome, '$.consistency')"),
  healed: summaryOf("json_extract(outcome, '$.healed') IS NOT NULL"),
  unreadable: summaryOf("json_array_length(outcome, '$.unreadable') > 0"),
} as const;

/** A row whose page rotted must still go when it is pruned: an expression that fails would keep it. */
function summaryOf(expression: string): string {
  return `CASE WHEN json_valid(outcome) THEN ${expression} END`;
}

export const indexSchema = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- tier 3: a point, how its image was taken, and the application's context (outcome, JSON)
CREATE TABLE IF NOT EXISTS point (
  point INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  sync INTEGER NOT NULL,
  chain BLOB NOT NULL,
  parent_chain BLOB NOT NULL,
  manifest BLOB NOT NULL,
  incarnation BLOB NOT NULL,
  outcome TEXT NOT NULL,
  files INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  changed_nodes INTEGER NOT NULL,
  changed_bytes INTEGER NOT NULL
);
-- all of a point that a timeline is drawn from: 40 bytes where the row has a thousand
CREATE INDEX IF NOT EXISTS point_summary ON point (
  point, time_ms, changed_nodes, changed_bytes,
  ${pointSummary.consistency}, ${pointSummary.healed}, ${pointSummary.unreadable}
);

-- tier 1: identity
CREATE TABLE IF NOT EXISTS node (
  id INTEGER NOT NULL,
  born INTEGER NOT NULL,
  died INTEGER NOT NULL,
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
  body INTEGER,
  PRIMARY KEY (id, born)
) WITHOUT ROWID;

-- what holds no more, by its end: live rows are not in it, so that it costs what changed
CREATE INDEX IF NOT EXISTS node_died ON node (died) WHERE died < ${LIVE};

CREATE TABLE IF NOT EXISTS entry (
  parent INTEGER NOT NULL,
  name BLOB NOT NULL,
  born INTEGER NOT NULL,
  died INTEGER NOT NULL,
  node INTEGER NOT NULL,
  PRIMARY KEY (parent, name, born)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_node ON entry (node, died);
CREATE INDEX IF NOT EXISTS entry_died ON entry (died) WHERE died < ${LIVE};

-- distinct names, for search (R28)
CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE);
CREATE INDEX IF NOT EXISTS entry_name ON entry (name);
CREATE VIRTUAL TABLE IF NOT EXISTS name_text USING fts5 (text, tokenize = 'trigram', content = '');

-- tier 2: location, keyed by body (R1)
CREATE TABLE IF NOT EXISTS body (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL,
  born INTEGER NOT NULL,
  died INTEGER NOT NULL,
  place INTEGER NOT NULL,
  size INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS body_died ON body (died) WHERE died < ${LIVE};
CREATE INDEX IF NOT EXISTS body_attic ON body (size, born, died) WHERE place = ${Place.attic};
-- digests of a body's newest content; a row that is absent stands for zero blocks
CREATE TABLE IF NOT EXISTS digests (
  body INTEGER NOT NULL,
  first INTEGER NOT NULL,
  digests BLOB NOT NULL,
  PRIMARY KEY (body, first)
) WITHOUT ROWID;
-- what a block held up to point hi: pages in mask, and the whole block's digest (R2, R3)
${beforeTable}
CREATE INDEX IF NOT EXISTS before_hi ON before (hi);
-- which records of a pack are named, in their order
CREATE INDEX IF NOT EXISTS before_pack ON before (pack, offset, length) WHERE pack IS NOT NULL;
-- digest prefix (48 bits) to where such a block was; hints, 32 bytes decide (R27)
CREATE TABLE IF NOT EXISTS locate (
  prefix INTEGER NOT NULL,
  body INTEGER NOT NULL,
  block INTEGER NOT NULL,
  PRIMARY KEY (prefix, body, block)
) WITHOUT ROWID;

-- the sync between transaction A and transaction B; one row at most
CREATE TABLE IF NOT EXISTS applying (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  point INTEGER NOT NULL,
  sync INTEGER NOT NULL,
  parked INTEGER NOT NULL
);
`;
