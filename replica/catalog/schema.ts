/** Tables of catalog.db: who may speak to this replica, and what was done about it. */

/** Grows with every change of the tables. */
export const CATALOG_VERSION = 1;

export const catalogSchema = `
CREATE TABLE IF NOT EXISTS agents (
  name TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  -- X25519 key, pinned by the first hello; null until then
  public_key BLOB,
  -- public nkey of the agent's broker user
  broker_key TEXT NOT NULL,
  host TEXT,
  enrolled_ms INTEGER NOT NULL,
  seen_ms INTEGER
) STRICT, WITHOUT ROWID;

-- one-time tokens, as SHA-256
CREATE TABLE IF NOT EXISTS enrolments (
  token_hash BLOB PRIMARY KEY,
  agent TEXT NOT NULL REFERENCES agents(name) ON DELETE CASCADE,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sets (
  name TEXT PRIMARY KEY,
  agent TEXT NOT NULL REFERENCES agents(name),
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- rotating token of each set of each agent, as SHA-256 (R14)
CREATE TABLE IF NOT EXISTS set_tokens (
  agent TEXT NOT NULL REFERENCES agents(name) ON DELETE CASCADE,
  set_name TEXT NOT NULL,
  current_hash BLOB,
  pending_hash BLOB,
  host TEXT NOT NULL,
  PRIMARY KEY (agent, set_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
`;
