/**
 * Opens a database that can be made again from other things: a file that is none, is broken or was
 * written by another version is begun anew.
 */
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { IndexDb } from '../index/index-db.js';

export interface ExpendableFile {
  readonly schema: string;
  readonly version: number;
  readonly pageBytes?: number;
  /** Small enough to be read whole when it is opened: one that is broken anywhere is begun anew. */
  readonly checked?: true;
}

export function openAnew(file: string, as: ExpendableFile): IndexDb {
  try {
    return open(file, as);
  } catch (error) {
    if (!isForeign(error)) throw error;
    removeDatabase(file);
    return open(file, as);
  }
}

/** Removes a database that nobody has open. */
export function removeDatabase(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) fs.rmSync(`${file}${suffix}`, { force: true });
}

class ForeignFile extends Error {}

/** Whether an error says that a file is no database, a broken one, or of another version. */
export function isForeign(error: unknown): boolean {
  if (error instanceof ForeignFile) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
}

function open(file: string, { schema, version, pageBytes, checked }: ExpendableFile): IndexDb {
  const db = new Database(file);
  try {
    if (pageBytes !== undefined) db.pragma(`page_size = ${pageBytes}`);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = NORMAL');
    const found = db.pragma('user_version', { simple: true });
    if (found !== 0 && found !== version) throw new ForeignFile();
    if (checked === true && db.pragma('quick_check(1)', { simple: true }) !== 'ok') {
      throw new ForeignFile();
    }
    db.exec(schema);
    // Nothing is written to one that is there: it opens on a full disk, too.
    if (found !== version) db.pragma(`user_version = ${version}`);
  } catch (error) {
    db.close();
    throw error;
  }
  return new IndexDb(db);
}
