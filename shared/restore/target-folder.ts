/**
 * Opens the folder that the replica is asked to restore to. It has to lie below a configured root;
 * below that root it is opened name by name, following no link, so that nobody can lead it
 * elsewhere (R22, R23).
 */
import { closeSync, mkdirSync, realpathSync } from 'node:fs';
import { AfterimageError, errnoOf } from '../errors.js';
import { parsePathText, toPathText } from '../path-text.js';
import { isEntryName } from '../protocol/records.js';
import { below, openFolder } from './folder-cursor.js';
import { cleanPath, splitPath } from './set-path.js';

/**
 * A descriptor for the caller to close; what is missing below the root is made. `roots` are absolute
 * paths. Throws `target-refused`, `config-invalid` for a root that is not there, system errors.
 */
export function openRestoreFolder(roots: readonly string[], to: string): number {
  const { root, names } = placeBelow(roots, to);
  let fd = openRoot(root);
  for (const name of names) {
    const parent = fd;
    try {
      fd = openOrMake(below(parent, name));
    } finally {
      closeSync(parent);
    }
  }
  return fd;
}

/** The same, but nothing is made: undefined when it is not there. */
export function openRestoreFolderIfThere(roots: readonly string[], to: string): number | undefined {
  const { root, names } = placeBelow(roots, to);
  let fd = openRoot(root);
  for (const name of names) {
    const parent = fd;
    try {
      fd = openFolder(below(parent, name));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    } finally {
      closeSync(parent);
    }
  }
  return fd;
}

/** The root that holds a path, and the names below it. Throws `target-refused`. */
export function placeBelow(
  roots: readonly string[],
  to: string,
): { readonly root: string; readonly names: readonly Buffer[] } {
  const path = cleanPath(parsePathText(to));
  const names = splitPath(path);
  if (names.every(isEntryName)) {
    for (const root of roots) {
      const rootNames = splitPath(cleanPath(Buffer.from(root)));
      const inside = rootNames.every((name, index) => names[index]?.equals(name) === true);
      if (inside) return { root, names: names.slice(rootNames.length) };
    }
  }
  throw new AfterimageError('target-refused', `${to} lies below no restore root`, {
    facts: { path: toPathText(path) },
  });
}

/** The operator configured it, so links on the way to it are followed. */
function openRoot(root: string): number {
  try {
    return openFolder(realpathSync(root, { encoding: 'buffer' }));
  } catch (cause) {
    throw new AfterimageError('config-invalid', `restore root ${root} cannot be opened`, { cause });
  }
}

function openOrMake(path: Buffer): number {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return openFolder(path);
}
