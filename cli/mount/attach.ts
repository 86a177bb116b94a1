/**
 * Connects a folder with the kernel's file system protocol: as root by mount(2), as an ordinary user by
 * fusermount3, which mounts and hands over the descriptor. And the way back.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { AfterimageError, errnoOf, messageOf } from '../../shared/errors.js';
import { READ_BYTES_MAX } from './fuse-protocol.js';
import { type MountBinding, MountFlag } from './native-mount.js';

const DEVICE = '/dev/fuse';
const USER_PROGRAM = 'fusermount3';
const TYPE = 'afterimage';
/** What a child finds the socket as. */
const SOCKET = 3;

export type Privilege = 'root' | 'user';

export function ownPrivilege(): Privilege {
  return process.geteuid?.() === 0 ? 'root' : 'user';
}

export interface AttachOptions {
  readonly binding: MountBinding;
  readonly privilege: Privilege;
  readonly folder: string;
  /** What stands in the first column of lists of mounts. */
  readonly source: string;
}

/**
 * The descriptor that requests come from. Root's mounts are for everybody, as far as modes and owners
 * let them; those of an ordinary user are for that user alone, who sees all that the token may.
 * Throws `mount-unavailable`.
 */
export async function attach(options: AttachOptions): Promise<number> {
  try {
    return await (options.privilege === 'root' ? attachAsRoot(options) : attachAsUser(options));
  } catch (error) {
    if (error instanceof AfterimageError) throw error;
    throw new AfterimageError('mount-unavailable', explain(error, options.folder), {
      cause: error,
    });
  }
}

function explain(error: unknown, folder: string): string {
  const path = (error as { readonly path?: string }).path;
  if (errnoOf(error) === 'ENOENT' && path === DEVICE) return `there is no ${DEVICE} here`;
  if (errnoOf(error) === 'ENOENT' && path === USER_PROGRAM) {
    return `${USER_PROGRAM} is not installed, and this user is not root`;
  }
  return `${folder} cannot be mounted: ${messageOf(error)}`;
}

async function attachAsRoot({ binding, folder, source }: AttachOptions): Promise<number> {
  const fd = openSync(DEVICE, constants.O_RDWR);
  const options = [
    `fd=${fd}`,
    'rootmode=40000',
    'user_id=0',
    'group_id=0',
    'default_permissions',
    'allow_other',
    `max_read=${READ_BYTES_MAX}`,
  ];
  const flags =
    MountFlag.readOnly | MountFlag.noSuid | MountFlag.noDevices | MountFlag.noAccessTimes;
  try {
    await binding.mountSystem(
      Buffer.from(`fuse.${TYPE}`),
      Buffer.from(source),
      Buffer.from(folder),
      flags,
      Buffer.from(options.join(',')),
    );
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function attachAsUser({ binding, folder, source }: AttachOptions): Promise<number> {
  const [own, theirs] = binding.socketPair();
  try {
    const name = source.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
    const options = `ro,nosuid,nodev,noatime,fsname=${name},subtype=${TYPE},max_read=${READ_BYTES_MAX}`;
    await runUserProgram(['-o', options, '--', folder], theirs);
    const fd = binding.receiveDescriptor(own);
    if (fd !== undefined) return fd;
    throw new AfterimageError('mount-unavailable', `${USER_PROGRAM} gave no descriptor`);
  } finally {
    closeSync(own);
    closeSync(theirs);
  }
}

/** Throws `mount-unavailable` with what it said. */
function runUserProgram(args: readonly string[], socket?: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(USER_PROGRAM, args, {
      stdio: ['ignore', 'ignore', 'pipe', ...(socket === undefined ? [] : [socket])],
      env: { ...process.env, LC_ALL: 'C', _FUSE_COMMFD: String(SOCKET) },
    });
    let said = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else if (/busy/i.test(said)) reject(new AfterimageError('mount-busy', said.trim()));
      else reject(new AfterimageError('mount-unavailable', said.trim().split('\n').join('; ')));
    });
  });
}

export interface DetachOptions {
  readonly binding: MountBinding;
  readonly privilege: Privilege;
  readonly folder: string;
  /** `lazy`: nobody new comes in, and it ends when those inside leave. */
  readonly manner: 'idle' | 'lazy';
}

/** Throws `mount-busy` while it is in use and not to be detached lazily. */
export async function detach(options: DetachOptions): Promise<void> {
  const { binding, privilege, folder, manner } = options;
  if (privilege === 'user') {
    await runUserProgram(['-u', ...(manner === 'lazy' ? ['-z'] : []), '--', folder]);
    return;
  }
  try {
    await binding.unmountSystem(Buffer.from(folder), manner === 'lazy');
  } catch (cause) {
    if (errnoOf(cause) === 'EINVAL') return;
    const code = errnoOf(cause) === 'EBUSY' ? 'mount-busy' : 'mount-unavailable';
    const why = code === 'mount-busy' ? 'is in use' : `cannot be unmounted: ${messageOf(cause)}`;
    throw new AfterimageError(code, `${folder} ${why}`, { cause });
  }
}
