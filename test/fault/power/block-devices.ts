/**
 * Loop devices and mounts for tests as root, taken down in the opposite order whatever happens, also
 * when the process ends before its tests do.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

export type FileSystemType = 'ext4' | 'xfs' | 'btrfs';

/** Why no file system can be made and mounted here; undefined when it can. */
export function mountsMissing(types: readonly FileSystemType[] = ['ext4']): string | undefined {
  if (process.platform !== 'linux') return 'the platform is not Linux';
  if (process.getuid?.() !== 0) return 'not run as root';
  if (!fs.existsSync('/dev/loop-control')) return 'there are no loop devices';
  for (const type of types) {
    if (spawnSync(`mkfs.${type}`, ['-V']).error !== undefined) return `mkfs.${type} is missing`;
  }
  return undefined;
}

/** Makes a file system in a new sparse file. */
export function makeFileSystem(
  type: FileSystemType,
  image: string,
  { bytes, options = [] }: { readonly bytes: number; readonly options?: readonly string[] },
): void {
  fs.writeFileSync(image, '');
  fs.truncateSync(image, bytes);
  const usual = type === 'ext4' ? ['-q', '-F', '-b', '4096'] : ['-q', '-f'];
  call(`mkfs.${type}`, [...usual, ...options, image]);
}

export class BlockDevices {
  readonly #steps: { readonly down: () => void; readonly name: string }[] = [];
  readonly #atExit = (): void => {
    this.close();
  };

  constructor() {
    process.once('exit', this.#atExit);
  }

  /** A loop device on a file. */
  loop(file: string): string {
    const device = call('losetup', ['--find', '--show', file]).trim();
    this.add(device, () => {
      call('losetup', ['--detach', device]);
    });
    return device;
  }

  /** Mounts a device or, with `-o loop` semantics of our own, a loop device on it. */
  mount(device: string, folder: string, options = 'defaults'): void {
    call('mount', ['-o', options, device, folder]);
    this.add(folder, () => {
      unmount(folder);
    });
  }

  /** Something else to be taken down when its turn comes; `name` is for `down`. */
  add(name: string, down: () => void): void {
    this.#steps.push({ name, down });
  }

  /** Takes down what was set up last, until `name` is down too. */
  down(name: string): void {
    const from = this.#steps.findIndex((step) => step.name === name);
    if (from < 0) throw new Error(`${name} is not up`);
    while (this.#steps.length > from) this.#steps.pop()?.down();
  }

  /** Takes everything down; throws the first failure after all was tried. */
  close(): void {
    process.off('exit', this.#atExit);
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        step.down();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/**
 * A folder in `parent` for images and mounts. Those of processes that were killed are taken down
 * first: nobody else would.
 */
export function homeOfDevices(parent: string): string {
  for (const name of fs.readdirSync(parent)) {
    const pid = /^afterimage-devices-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !fs.existsSync(`/proc/${pid}`)) takeDown(path.join(parent, name));
  }
  return fs.mkdtempSync(path.join(parent, `afterimage-devices-${process.pid}-`));
}

function takeDown(home: string): void {
  const tables = fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').reverse();
  for (const [device = '', folder = ''] of tables.map((line) => line.split(' '))) {
    if (!folder.startsWith(`${home}/`)) continue;
    spawnSync('umount', ['--lazy', folder]);
    if (device.startsWith('/dev/loop')) spawnSync('losetup', ['--detach', device]);
  }
  fs.rmSync(home, { recursive: true, force: true });
}

/** Somebody may still hold a file open: then it is taken out of sight and ends with them. */
function unmount(folder: string): void {
  if (spawnSync('umount', [folder]).status !== 0) call('umount', ['--lazy', folder]);
}

/** What a program printed. Throws what it said when it failed. */
export function call(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`, { cause: error });
  return stdout;
}
