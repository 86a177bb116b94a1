/**
 * Certificates in the catalog: a chain a set, append-only. They are here and not in the set's folder
 * because they outlive points and sets, and because one transaction puts a new key into all chains.
 */
import Database from 'better-sqlite3';
import { digestOf, NO_ENTRY, type Signed } from '../../shared/certificate/certificate.js';

export const certificateSchema = `
CREATE TABLE IF NOT EXISTS certificates (
  set_name TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  -- of the row of certificate_due that it came from; null for what came from nowhere else
  origin BLOB,
  digest TEXT NOT NULL,
  kind TEXT NOT NULL,
  point INTEGER,
  text TEXT NOT NULL,
  signature TEXT NOT NULL,
  countersignature TEXT,
  PRIMARY KEY (set_name, sequence),
  UNIQUE (set_name, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS certificates_point ON certificates (set_name, kind, point);

-- steps from key to key, signed by both
CREATE TABLE IF NOT EXISTS certificate_keys (
  step INTEGER PRIMARY KEY,
  next TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL,
  signature TEXT NOT NULL,
  countersignature TEXT NOT NULL
) STRICT;
`;

export interface ChainEnd {
  /** 0 when there is no entry. */
  readonly sequence: number;
  /** Digest of the last entry, hex. */
  readonly head: string;
}

export interface NewEntry {
  readonly set: string;
  readonly sequence: number;
  readonly kind: string;
  /** Of a point's certificate. */
  readonly point: number | null;
  readonly origin: Buffer | null;
  readonly signed: Signed;
}

interface SignedRow {
  readonly text: string;
  readonly signature: string;
  readonly countersignature: string | null;
}

const signedColumns = 'text, signature, countersignature';
const PAGE_ENTRIES = 500;

export class CertificateLog {
  readonly #db: Database.Database;

  /** Opens the tables in the catalog at `path`, on a connection of their own. */
  constructor(path: string) {
    this.#db = new Database(path);
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('synchronous = FULL');
    this.#db.exec(certificateSchema);
  }

  close(): void {
    this.#db.close();
  }

  /** All of `work` or nothing; on disk when it returns. */
  together<T>(work: () => T): T {
    return this.#db.transaction(work).immediate();
  }

  end(set: string): ChainEnd {
    const row = this.#db
      .prepare<[string], { sequence: number; head: string }>(
        `SELECT sequence, digest AS head FROM certificates
         WHERE set_name = ? ORDER BY sequence DESC LIMIT 1`,
      )
      .get(set);
    return row ?? { sequence: 0, head: NO_ENTRY };
  }

  hasOrigin(set: string, origin: Buffer): boolean {
    const row = this.#db
      .prepare('SELECT 1 FROM certificates WHERE set_name = ? AND origin = ?')
      .get(set, origin);
    return row !== undefined;
  }

  /** Whether a point of this number was ever certified. */
  hasPoint(set: string, point: number): boolean {
    const row = this.#db
      .prepare(
        "SELECT 1 FROM certificates WHERE set_name = ? AND kind = 'point' AND point = ? LIMIT 1",
      )
      .get(set, point);
    return row !== undefined;
  }

  append({ set, sequence, kind, point, origin, signed }: NewEntry): void {
    this.#db
      .prepare(
        `INSERT INTO certificates
         (set_name, sequence, origin, digest, kind, point, text, signature, countersignature)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        set,
        sequence,
        origin,
        digestOf('certificate', signed.text),
        kind,
        point,
        signed.text,
        signed.signature,
        signed.countersignature ?? null,
      );
  }

  /** Entries up to `to`, in order; read page by page, so that others may write meanwhile. */
  *entries(set: string, to: number): Generator<Signed> {
    const page = this.#db.prepare<[string, number, number], SignedRow & { sequence: number }>(
      `SELECT sequence, ${signedColumns} FROM certificates
       WHERE set_name = ? AND sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ${PAGE_ENTRIES}`,
    );
    for (let after = 0; after < to;) {
      const rows = page.all(set, after, to);
      for (const row of rows) yield toSigned(row);
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.sequence;
    }
  }

  /**
   * Entries that speak of a point, in order: its certificate (more than one only when the replica's
   * data went back in time), its removal, looks at it.
   */
  ofPoint(set: string, point: number): Signed[] {
    return this.#db
      .prepare<[string, number, number, number], SignedRow>(
        `SELECT ${signedColumns} FROM certificates
         WHERE set_name = ? AND ((kind = 'point' AND point = ?)
           OR (kind IN ('removal', 'check') AND EXISTS (
             SELECT 1 FROM json_each(text, '$.facts.points') AS range
             WHERE range.value ->> 0 <= ? AND range.value ->> 1 >= ?)))
         ORDER BY sequence`,
      )
      .all(set, point, point, point)
      .map(toSigned);
  }

  /** The newest entry of a set. */
  last(set: string): Signed | undefined {
    const row = this.#db
      .prepare<[string], SignedRow>(
        `SELECT ${signedColumns} FROM certificates WHERE set_name = ? ORDER BY sequence DESC LIMIT 1`,
      )
      .get(set);
    return row === undefined ? undefined : toSigned(row);
  }

  /** Sets that have a chain. */
  sets(): string[] {
    return this.#db
      .prepare<[], { name: string }>('SELECT DISTINCT set_name AS name FROM certificates')
      .all()
      .map(({ name }) => name);
  }

  keySteps(): Signed[] {
    return this.#db
      .prepare<[], SignedRow>(`SELECT ${signedColumns} FROM certificate_keys ORDER BY step`)
      .all()
      .map(toSigned);
  }

  hasKeyStepTo(next: string): boolean {
    return (
      this.#db.prepare('SELECT 1 FROM certificate_keys WHERE next = ?').get(next) !== undefined
    );
  }

  addKeyStep(next: string, signed: Signed): void {
    this.#db
      .prepare(
        'INSERT INTO certificate_keys (next, text, signature, countersignature) VALUES (?, ?, ?, ?)',
      )
      .run(next, signed.text, signed.signature, signed.countersignature);
  }
}

function toSigned({ text, signature, countersignature }: SignedRow): Signed {
  return { text, signature, ...(countersignature === null ? {} : { countersignature }) };
}
