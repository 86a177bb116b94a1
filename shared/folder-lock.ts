/**
 * One process a data folder: an exclusive transaction on a small database, which the kernel lets go
 * of when the process dies, however it dies.
 */
import Database from 'better-sqlite3';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AfterimageError } from './errors.js';

export interface FolderLock {
  release(): void;
}

/** Makes the folder (0700) when it is missing. @throws AfterimageError `folder-in-use` */
export function lockFolder(folder: string): FolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'lock.db');
  const db = new Database(path, { timeout: 0 });
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    throw new AfterimageError('folder-in-use', `another process uses ${folder}`, {
      cause: error,
      facts: { folder },
    });
  }
  return {
    release() {
      db.close();
    },
  };
}
