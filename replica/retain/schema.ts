/** Tables of retention in catalog.db: what each set keeps, and what is held whatever a policy says. */
export const retentionSchema = `
-- no row: every point stays
CREATE TABLE IF NOT EXISTS retention_policy (
  set_name TEXT PRIMARY KEY,
  -- JSON, shared/api/retention.ts
  policy TEXT NOT NULL,
  set_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- the last run of each set, JSON
CREATE TABLE IF NOT EXISTS retention_run (
  set_name TEXT PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  result TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- numbers are not given out again: a released hold must not come to mean another
CREATE TABLE IF NOT EXISTS point_hold (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  set_name TEXT NOT NULL,
  point INTEGER NOT NULL,
  reason TEXT NOT NULL,
  time_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS point_hold_set ON point_hold (set_name, point);
`;
