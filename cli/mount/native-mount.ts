/** The part of the addon that mounts need: calls off the main thread, and requests of the kernel. */
import { AfterimageError } from '../../shared/errors.js';
import { loadAddon } from '../../shared/posix/load-addon.js';

export interface RequestReader {
  /** Whole requests one after the other; undefined when none waits, null when there will be none. */
  take(): Buffer | null | undefined;
  close(): void;
}

/** What native/src/fuse.cc exports. Failures throw system errors. */
export interface MountBinding {
  mountSystem(
    type: Buffer,
    source: Buffer,
    target: Buffer,
    flags: number,
    options: Buffer,
  ): Promise<undefined>;
  unmountSystem(target: Buffer, detach: boolean): Promise<undefined>;
  socketPair(): [number, number];
  receiveDescriptor(socket: number): number | undefined;
  readRequests(fd: number, requestBytes: number, ready: () => void): RequestReader;
}

/** Flags of mount(2), from linux/mount.h. */
export const MountFlag = { readOnly: 1, noSuid: 2, noDevices: 4, noAccessTimes: 1024 } as const;

/** Throws `mount-unavailable` where the addon is missing. */
export function loadMountBinding(): MountBinding {
  const addon = loadAddon();
  const why =
    'whyNot' in addon
      ? addon.whyNot
      : 'readRequests' in addon.exports
        ? undefined
        : 'the addon was built without mounts';
  if (why === undefined && 'exports' in addon) return addon.exports as MountBinding;
  throw new AfterimageError('mount-unavailable', `mounting needs the native addon: ${why ?? ''}`);
}
