/** Reads a secret that the operator keeps in a file of its own. */
import fs from 'node:fs';
import { AfterimageError, messageOf } from '../../shared/errors.js';

/** The file's text without white space around it. Throws `config-unreadable`. */
export function readTextFile(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new AfterimageError('config-unreadable', `${file}: ${messageOf(cause)}`, { cause });
  }
}
