/** The bearer token of the API: a random secret in the data folder, readable by its owner only. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOKEN_FILE } from '../../shared/api/address.js';
import { AfterimageError, errnoOf } from '../../shared/errors.js';

const TOKEN_BYTES = 32;
const tokenPattern = /^[A-Za-z0-9_-]{32,200}$/;

/** The token of a data folder; made, 0600, when there is none. Throws `config-invalid` for a bad one. */
export function ensureToken(dataFolder: string): string {
  const path = join(dataFolder, TOKEN_FILE);
  const fresh = randomBytes(TOKEN_BYTES).toString('base64url');
  try {
    writeFileSync(path, `${fresh}\n`, { mode: 0o600, flag: 'wx' });
    return fresh;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const token = readFileSync(path, 'utf8').trim();
  if (!tokenPattern.test(token)) {
    throw new AfterimageError(
      'config-invalid',
      `${path} holds no token; remove it to get a new one`,
    );
  }
  chmodSync(path, 0o600);
  return token;
}

/** Compares an Authorization header with the token, in a time that tells nothing of either. */
export function isAuthorised(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1] ?? '';
  return timingSafeEqual(digestOf(given), digestOf(token));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
