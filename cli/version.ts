/** The version of this installation, from the package.json above the sources or above dist. */
import { readFileSync } from 'node:fs';
import { errnoOf } from '../shared/errors.js';

export function ownVersion(): string {
  for (const up of ['../package.json', '../../package.json']) {
    const text = readIfThere(new URL(up, import.meta.url));
    if (text === undefined) continue;
    const { version } = JSON.parse(text) as { readonly version?: string };
    if (version !== undefined) return version;
  }
  return '0.0.0';
}

function readIfThere(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
