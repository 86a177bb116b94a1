/** Tables of catalog.db for jobs: what was asked for, how far it came, and what it said. */

export const jobSchemaSql = `
CREATE TABLE IF NOT EXISTS job (
  -- never given out again
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  -- '' for a job of the whole replica
  set_name TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  -- JSON, as settled when it was asked for
  request TEXT NOT NULL,
  state TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  ended_ms INTEGER,
  attempt INTEGER NOT NULL DEFAULT 0,
  -- JSON; null before the first
  progress TEXT,
  message TEXT,
  -- JSON
  result TEXT,
  -- JSON
  problem TEXT,
  -- JSON that the work left for its next attempt
  saved TEXT,
  -- lines of its log that went
  dropped_lines INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS job_open ON job (state) WHERE state IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS job_of_set ON job (set_name, id);

CREATE TABLE IF NOT EXISTS job_log (
  job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  line INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  level TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (job, line)
) STRICT, WITHOUT ROWID;
`;
