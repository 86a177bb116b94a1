/** Tables of access.db: who may ask the API, and what was asked. Secrets are here as hashes. */

export const ACCESS_VERSION = 1;

/** The triggers keep entries as they are against whoever does not take the triggers away first. */
export const accessSchema = `
CREATE TABLE IF NOT EXISTS token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- SHA-256 of the token
  hash BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  -- names as a JSON array; null for every set
  sets TEXT,
  created_ms INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  last_used_ms INTEGER,
  expires_ms INTEGER,
  revoked_ms INTEGER
) STRICT;

CREATE TABLE IF NOT EXISTS audit (
  id INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  who TEXT NOT NULL,
  role TEXT,
  address TEXT NOT NULL,
  action TEXT NOT NULL,
  set_name TEXT,
  point TEXT,
  detail TEXT NOT NULL,
  status INTEGER NOT NULL,
  code TEXT,
  -- over the digest of the entry before and this one: shared/audit/audit-chain.ts
  digest TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS audit_set ON audit (set_name, id) WHERE set_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_who ON audit (who, id);
CREATE INDEX IF NOT EXISTS audit_action ON audit (action, id);

CREATE TRIGGER IF NOT EXISTS audit_stays BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE TRIGGER IF NOT EXISTS audit_remains BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'nothing is taken out of the audit'); END;
-- also against INSERT OR REPLACE, which runs no delete trigger
CREATE TRIGGER IF NOT EXISTS audit_follows BEFORE INSERT ON audit
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit only grows at its end'); END;
`;
