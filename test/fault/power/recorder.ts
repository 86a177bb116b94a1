/** A block device whose writes and flushes are recorded: a loop device on recorder.c. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { compile, compilerMissing } from '../native-program.js';
import {
  type BlockDevices,
  call,
  type FileSystemType,
  makeFileSystem,
  mountsMissing,
} from './block-devices.js';

/** Why no power cut can be played here; undefined when it can. */
export function recorderMissing(types: readonly FileSystemType[]): string | undefined {
  if (!fs.existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  return mountsMissing(types) ?? compilerMissing();
}

export interface Recording {
  /** Where the file system is mounted. */
  readonly folder: string;
  /** The file system as it was before the first write. */
  readonly start: string;
  /** What the device was told; write-log.ts reads it. */
  readonly log: string;
  /** Lines written here come into the log. */
  readonly marks: string;
  /** Unmounts; the log is whole then. */
  finish(): Promise<void>;
}

/** Makes a file system in `home`, which must be an empty folder, and mounts it recorded. */
export async function startRecording(
  devices: BlockDevices,
  options: { readonly home: string; readonly type: FileSystemType; readonly bytes: number },
): Promise<Recording> {
  const at = (name: string): string => path.join(options.home, name);
  const [program, start, image, log, marks, device, folder] = [
    'recorder',
    'start',
    'image',
    'log',
    'marks',
    'device',
    'mounted',
  ].map(at) as [string, string, string, string, string, string, string];
  compile(['power/recorder.c'], { output: program });
  makeFileSystem(options.type, start, { bytes: options.bytes });
  call('cp', ['--sparse=always', start, image]);
  call('mkfifo', [marks]);
  fs.writeFileSync(device, '');
  fs.mkdirSync(folder);
  const running = spawn(program, [device, image, log, marks], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) =>
    running.once('close', () => {
      resolve();
    }),
  );
  await ready(running, ended);
  devices.add(device, () => {
    call('umount', [device]);
  });
  devices.mount(devices.loop(device), folder);
  return {
    folder,
    start,
    log,
    marks,
    finish: async () => {
      devices.down(device);
      await ended;
      fs.rmSync(image);
    },
  };
}

async function ready(running: ChildProcess, ended: Promise<void>): Promise<void> {
  const mounted = new Promise<boolean>((resolve) =>
    running.stdout?.once('data', () => {
      resolve(true);
    }),
  );
  if ((await Promise.race([mounted, ended])) !== true)
    throw new Error('the recorder ended before it was mounted');
}
