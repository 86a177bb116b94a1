/**
 * Small files that hold keys and tokens: mode 0600 in folders of mode 0700, replaced whole, durable
 * before the call returns.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { AfterimageError, errnoOf } from '../errors.js';
import { syncFolder } from '../posix/sync-folder.js';

/** Writes `content` as JSON to `path`; what was there stays until the new file is durable. */
export function writeSecretFile(path: string, content: unknown): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify(content, null, 2)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolder(folder);
}

/** What `path` holds, or null when there is no such file. Throws `config-unreadable`. */
export function readSecretFile<T>(path: string, schema: z.ZodType<T>): T | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return null;
    throw new AfterimageError('config-unreadable', `${path} cannot be read`, { cause });
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AfterimageError('config-unreadable', `${path} is not what it should be`, { cause });
  }
}
