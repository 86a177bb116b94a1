/** Chooses the version of `Posix`: the native addon when it is built, fits and works, else portable. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../errors.js';
import { createNativePosix } from './native-posix.js';
import type { NativeBinding } from './native-posix.js';
import { createPortablePosix } from './portable-posix.js';
import type { Posix } from './posix.js';
import { LAYOUT_VERSION } from './scan-record.js';

/** This file runs from shared/posix and from dist/shared/posix. */
const candidates = ['../../', '../../../'].map((root) =>
  fileURLToPath(new URL(`${root}native/build/Release/afterimage_native.node`, import.meta.url)),
);

interface Loaded {
  readonly posix: Posix;
  readonly whyNotNative: string | undefined;
}

let loaded: Loaded | undefined;

/** One instance a thread. `AFTERIMAGE_NO_NATIVE=1` in the environment asks for the portable one. */
export function loadPosix(): Posix {
  loaded ??= load();
  return loaded.posix;
}

/** Why the portable version serves, for logs and `status`; undefined when the addon does. */
export function whyNotNative(): string | undefined {
  loaded ??= load();
  return loaded.whyNotNative;
}

function load(): Loaded {
  if (process.env['AFTERIMAGE_NO_NATIVE'] === '1') return portable('AFTERIMAGE_NO_NATIVE is set');
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) return portable('the addon is not built');
  try {
    return { posix: loadNative(path), whyNotNative: undefined };
  } catch (error) {
    return portable(messageOf(error));
  }
}

function portable(reason: string): Loaded {
  return { posix: createPortablePosix(), whyNotNative: reason };
}

function loadNative(path: string): Posix {
  const binding: unknown = createRequire(import.meta.url)(path);
  if (!isBinding(binding)) {
    throw new Error('the addon was built from other sources; run node native/build.js');
  }
  const posix = createNativePosix(binding);
  posix.lstat(Buffer.from('/')); // a sandbox may forbid statx
  return posix;
}

function isBinding(value: unknown): value is NativeBinding {
  return (
    typeof value === 'object' &&
    value !== null &&
    'layoutVersion' in value &&
    value.layoutVersion === LAYOUT_VERSION
  );
}
