/** Finds the native addon, once a thread. `AFTERIMAGE_NO_NATIVE=1` in the environment hides it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../errors.js';
import { LAYOUT_VERSION } from './scan-record.js';

/** This file runs from shared/posix and from dist/shared/posix. */
const candidates = ['../../', '../../../'].map((root) =>
  fileURLToPath(new URL(`${root}native/build/Release/afterimage_native.node`, import.meta.url)),
);

/** The addon's exports, or why there are none. */
export type Addon = { readonly exports: object } | { readonly whyNot: string };

let loaded: Addon | undefined;

export function loadAddon(): Addon {
  loaded ??= load();
  return loaded;
}

function load(): Addon {
  if (process.env['AFTERIMAGE_NO_NATIVE'] === '1') return { whyNot: 'AFTERIMAGE_NO_NATIVE is set' };
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) return { whyNot: 'the addon is not built' };
  try {
    const exports: unknown = createRequire(import.meta.url)(path);
    if (isCurrent(exports)) return { exports };
    return { whyNot: 'the addon was built from other sources; run node native/build.js' };
  } catch (error) {
    return { whyNot: messageOf(error) };
  }
}

function isCurrent(value: unknown): value is object {
  return (
    typeof value === 'object' &&
    value !== null &&
    'layoutVersion' in value &&
    value.layoutVersion === LAYOUT_VERSION
  );
}
