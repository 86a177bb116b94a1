/**
 * One process a data folder. The lock is the kernel's, held through an exclusively locked SQLite
 * file, so that it ends with its process however that ends.
 */
import path from 'node:path';
import Database from 'better-sqlite3';
import { AfterimageError } from './errors.js';

export interface FolderLock {
  release(): void;
}

/** Takes the folder, which must exist. Throws `folder-in-use`. */
export function lockFolder(folder: string): FolderLock {
  const db = new Database(path.join(folder, 'lock'), { timeout: 0 });
  try {
    db.pragma('journal_mode = DELETE');
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    throw new AfterimageError('folder-in-use', `another process uses ${folder}`, {
      cause,
      facts: { folder },
    });
  }
  return {
    release: () => {
      db.close();
    },
  };
}
