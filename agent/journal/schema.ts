/** The journal's tables: see journal.ts for what they mean. */
export const JOURNAL_VERSION = 2;

export const journalSchema = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- One row a path: the newest sequence at which it was said to have changed, and how much of it is
-- to be looked at, the place of its word in \`looks\`.
CREATE TABLE change (
  path BLOB PRIMARY KEY,
  sequence INTEGER NOT NULL,
  look INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX change_sequence ON change(sequence);
-- covers: the path below which changes may have been missed; empty for the whole set.
CREATE TABLE gap (
  sequence INTEGER PRIMARY KEY,
  opened_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  covers BLOB NOT NULL
);
`;

/** From version 1, which knew no \`look\`. */
export const journalUpgrade = 'ALTER TABLE change ADD COLUMN look INTEGER NOT NULL DEFAULT 0';
