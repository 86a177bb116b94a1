/** What agent and replica both need of their machine. */
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { formatBytes, formatDuration } from '../format.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { sealing } from '../../shared/seal/load-gcm.js';
import { attempt, type Check, fail, ok, warn } from './check.js';

const NODE_MIN = [20, 19] as const;
const FILES_MIN = 4096;
const MEMORY_MIN = 512 * 1024 * 1024;
/** Nobody's clock is honestly before this program was made. */
const CLOCK_MIN_MS = Date.UTC(2026, 0, 1);
/** From here on points of different machines are told apart badly. */
const SKEW_MS_MAX = 2000;

export async function checkHost(): Promise<readonly Check[]> {
  const checks = await Promise.all([
    attempt('Node', nodeVersion),
    attempt('system', () => ok('system', `${os.type()} ${os.release()}, ${os.arch()}`)),
    attempt('native part', nativePart),
    attempt('sealing', sealedBy),
    attempt('hash core', () => {
      createHashCore();
      return ok('hash core', 'agrees with its known answers');
    }),
    attempt('memory', memory),
    attempt('open files', openFiles),
    attempt('mounts', mounts),
    attempt('clock', clock),
  ]);
  return checks.flat();
}

function nodeVersion(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  if (isEnough) return ok('Node', process.versions.node);
  return fail('Node', process.versions.node, `Install Node ${NODE_MIN.join('.')} or newer.`);
}

function nativePart(): Check {
  const { missing } = loadPosix();
  if (missing.length === 0) return ok('native part', 'is there');
  return warn(
    'native part',
    missing.join('; '),
    'Install a C++ compiler, make and Python, then run npm rebuild (the Debian package has it built).',
  );
}

function sealedBy(): Check {
  const { by, lost } = sealing();
  if (lost === undefined) return ok('sealing', `by ${by}`);
  return warn(
    'sealing',
    `by ${by}, not by the vector AES of this processor: ${lost}`,
    'Frames cost more processor time; libipsec-mb-dev at npm ci makes it unnecessary.',
  );
}

function memory(): Check {
  const bytes = Math.min(os.totalmem(), process.constrainedMemory() || Infinity);
  const found = `${formatBytes(bytes)}, ${os.availableParallelism()} processors`;
  if (bytes >= MEMORY_MIN) return ok('memory', found);
  return warn('memory', found, `Give it ${formatBytes(MEMORY_MIN)} or more.`);
}

function openFiles(): Check {
  const limits = fs.readFileSync('/proc/self/limits', 'utf8');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1] ?? 'unknown';
  if (soft === 'unlimited' || Number(soft) >= FILES_MIN) return ok('open files', `up to ${soft}`);
  return warn('open files', `up to ${soft}`, `Raise it: ulimit -n ${FILES_MIN}, or LimitNOFILE=.`);
}

function mounts(): Check {
  if (!fs.existsSync('/dev/fuse')) {
    return warn(
      'mounts',
      'there is no /dev/fuse',
      'Load the fuse module to mount points: modprobe fuse.',
    );
  }
  if (process.getuid?.() === 0) return ok('mounts', 'as root');
  const folders = (process.env['PATH'] ?? '').split(':');
  if (folders.some((folder) => fs.existsSync(join(folder, 'fusermount3')))) {
    return ok('mounts', 'by fusermount3');
  }
  return warn('mounts', 'fusermount3 is not installed', 'Install fuse3, or mount points as root.');
}

function clock(): Check {
  const now = Date.now();
  if (now >= CLOCK_MIN_MS) return ok('clock', new Date(now).toISOString());
  return fail('clock', new Date(now).toISOString(), 'Set it, and let NTP keep it right.');
}

/** Compares this machine's clock with another's, which said `theirMs` between two looks at ours. */
export function checkSkew(
  subject: string,
  theirMs: number,
  { beforeMs, afterMs }: { readonly beforeMs: number; readonly afterMs: number },
): Check {
  const skewMs = Math.max(0, beforeMs - theirMs, theirMs - afterMs);
  if (skewMs <= SKEW_MS_MAX) return ok(subject, 'agrees with this one');
  return warn(
    subject,
    `${formatDuration(skewMs)} ${theirMs > afterMs ? 'ahead of' : 'behind'} this one`,
    'Let NTP keep both right: times of points are those of the machine that made them.',
  );
}

const fileSystems = new Map<number, string>([
  [0xef53, 'ext4'],
  [0x58465342, 'XFS'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlay'],
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x65735546, 'FUSE'],
]);

export interface FileSystemFacts {
  readonly name: string;
  readonly freeBytes: number;
  readonly freeFiles: number;
}

export function fileSystemOf(path: string): FileSystemFacts {
  const { type, bavail, bsize, ffree } = fs.statfsSync(path);
  return {
    name: fileSystems.get(type) ?? `type 0x${type.toString(16)}`,
    freeBytes: bavail * bsize,
    freeFiles: ffree,
  };
}
