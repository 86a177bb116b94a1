/**
 * SQLite's own check of an index, on a thread of its own: it reads all of the file at once, and the
 * thread that answers agents must not wait for it.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { AfterimageError } from '../../shared/errors.js';

/** Complaints that are reported. */
const LINES_MAX = 100;

const script = `
const { parentPort, workerData } = require('node:worker_threads');
const Database = require(workerData.module);
const lines = [];
try {
  const db = new Database(workerData.file, { readonly: true, fileMustExist: true });
  for (const row of db.pragma('integrity_check(' + workerData.linesMax + ')')) {
    lines.push(String(Object.values(row)[0]));
  }
  db.close();
} catch (error) {
  lines.push(error.message);
}
parentPort.postMessage(lines);
`;

/** What SQLite finds wrong with the database at `file`; empty when nothing is. */
export function checkSqlite(file: string, signal: AbortSignal): Promise<string[]> {
  const module = createRequire(import.meta.url).resolve('better-sqlite3');
  const worker = new Worker(script, {
    eval: true,
    workerData: { module, file, linesMax: LINES_MAX },
  });
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      void worker.terminate();
      reject(new AfterimageError('cancelled', 'the check of the index was cancelled'));
    };
    signal.addEventListener('abort', stop, { once: true });
    worker.once('message', (lines: string[]) => {
      signal.removeEventListener('abort', stop);
      resolve(lines.filter((line) => line !== 'ok'));
    });
    worker.once('error', reject);
  });
}
