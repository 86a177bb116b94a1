/**
 * The index's part of certificates: what a point digests to, and what has to be certified.
 * docs/design/certificates.md explains both; the certificates themselves are in the catalog, because
 * they outlive points and sets.
 */
export const digestSchema = `
-- digest of a point's rows (R26); the row goes when its point does
CREATE TABLE IF NOT EXISTS point_digest (
  point INTEGER PRIMARY KEY,
  digest BLOB NOT NULL
);
-- the set hash that the next cut starts from: 1,024 lanes of 16 bits, as of \`point\`
CREATE TABLE IF NOT EXISTS digest_state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  point INTEGER NOT NULL,
  state BLOB NOT NULL
);
-- what happened and is not in the catalog yet, in order; written in the transaction that made it so.
-- \`origin\` (16 random bytes) tells the catalog what it already has.
CREATE TABLE IF NOT EXISTS certificate_due (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  origin BLOB NOT NULL UNIQUE,
  facts TEXT NOT NULL
);
`;
