/** Chooses the version of `Posix`: the native addon when it is built, fits and works, else portable. */
import { messageOf } from '../errors.js';
import { loadAddon } from './load-addon.js';
import { createNativePosix } from './native-posix.js';
import type { NativeBinding } from './native-posix.js';
import { createPortablePosix } from './portable-posix.js';
import type { Posix } from './posix.js';

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
  const addon = loadAddon();
  if ('whyNot' in addon) return portable(addon.whyNot);
  try {
    const posix = createNativePosix(addon.exports as NativeBinding);
    posix.lstat(Buffer.from('/')); // a sandbox may forbid statx
    return { posix, whyNotNative: undefined };
  } catch (error) {
    return portable(messageOf(error));
  }
}

function portable(reason: string): Loaded {
  return { posix: createPortablePosix(), whyNotNative: reason };
}
