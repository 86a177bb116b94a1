/** Tables of catalog.db: who may speak to this replica, and what was done about it. */

/** Grows with every change of the tables. */
export const CATALOG_VERSION = 3;

/** From version 1 to 2, and so on. */
export const catalogMigrations = [
  `
ALTER TABLE set_tokens ADD COLUMN issued INTEGER NOT NULL DEFAULT 0;
ALTER TABLE set_tokens ADD COLUMN adopt_until_ms INTEGER;
ALTER TABLE set_tokens ADD COLUMN adopted_hash BLOB;
`,
  `
ALTER TABLE set_tokens ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
`,
] as const;

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
  -- number of the newest token ever given
  issued INTEGER NOT NULL DEFAULT 0,
  -- until then an operator lets the machine in that shows a stale token
  adopt_until_ms INTEGER,
  -- the token that it was given; in force, and the others void, once it uses it
  adopted_hash BLOB,
  -- 1 once the agent has used a token that proves its number: a bare number counts no more
  proven INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (agent, set_name)
) STRICT, WITHOUT ROWID;

-- keys on their way from old to new (R23)
CREATE TABLE IF NOT EXISTS key_changes (
  agent TEXT PRIMARY KEY REFERENCES agents(name) ON DELETE CASCADE,
  -- what the operator asked for: 'agent', 'agent-and-broker'; null when nothing, or it is under way
  asked TEXT,
  -- X25519 key that the agent said, in force once it has come in with it
  next_key BLOB,
  -- the replica's key that the agent used last
  replica_key BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
`;
