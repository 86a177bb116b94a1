/** Opens access.db: tokens and the audit, in a database of their own. */
import { chmodSync } from 'node:fs';
import Database from 'better-sqlite3';
import { AfterimageError } from '../../shared/errors.js';
import { ACCESS_VERSION, accessSchema } from './schema.js';

export const ACCESS_FILE = 'access.db';

/** `:memory:` for one that is not kept. Throws `database-version`, storage errors. */
export function openAccessDatabase(path: string): Database.Database {
  const db = new Database(path);
  try {
    if (path !== ':memory:') chmodSync(path, 0o600);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    const version = Number(db.pragma('user_version', { simple: true }));
    if (version > ACCESS_VERSION) {
      throw new AfterimageError('database-version', `${path} is of version ${version}`);
    }
    db.exec(accessSchema);
    db.pragma(`user_version = ${ACCESS_VERSION}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
