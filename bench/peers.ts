/**
 * What runs beside the product where it is installed: rsync through a daemon of its own, a plain copy
 * that keeps no history and flushes nothing; and restic into a local repository.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { Copier, CopierOptions, CopyRun } from './copier.js';
import { freePort, MeasuredProcess } from './process.js';
import { digestTree } from './trees/tree-digest.js';

const READY_MS = 10_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Undefined when rsync is not installed. */
export async function startRsync({ root, folder }: CopierOptions): Promise<Copier | undefined> {
  const version = versionOf('rsync', '--version');
  if (version === undefined) return undefined;
  const target = join(folder, 'copy');
  mkdirSync(target, { recursive: true });
  const port = await freePort();
  const daemon = startDaemon({ folder, target, port });
  await daemon.until(() => answers(port), READY_MS);
  const args = ['-aH', '--delete', '--modify-window=-1', '--stats'];
  return {
    name: 'rsync',
    about: `rsync ${version} to its daemon`,
    copy: () => {
      const { ms, out } = run('rsync', [...args, `${root}/`, `rsync://127.0.0.1:${port}/copy/`]);
      const sent = /Total bytes sent: ([\d,]+)/.exec(out)?.[1];
      return Promise.resolve({ ms, sentBytes: Number(sent?.replaceAll(',', '')) });
    },
    digest: () => Promise.resolve(digestTree(target, { metadata: 'without' })),
    stop: () => daemon.stop(),
  };
}

/** Undefined when restic is not installed. */
export function startRestic({ root, folder }: CopierOptions): Copier | undefined {
  const version = versionOf('restic', 'version');
  if (version === undefined) return undefined;
  mkdirSync(folder, { recursive: true });
  const password = join(folder, 'password');
  writeFileSync(password, 'bench');
  const own = ['--repo', join(folder, 'repository'), '--password-file', password];
  const options = [...own, '--cache-dir', join(folder, 'cache'), '--quiet'];
  run('restic', ['init', '--repository-version', '2', ...options]);
  return {
    name: 'restic',
    about: `restic ${version}, local repository`,
    copy: () => {
      const { ms } = run('restic', ['backup', ...options, root]);
      return Promise.resolve({ ms, sentBytes: undefined });
    },
    digest: () => {
      const target = mkdtempSync(join(folder, 'restored-'));
      run('restic', ['restore', 'latest', ...options, '--target', target]);
      const digest = digestTree(join(target, root), { metadata: 'without' });
      rmSync(target, { recursive: true });
      return Promise.resolve(digest);
    },
    stop: () => Promise.resolve(),
  };
}

function startDaemon(daemon: {
  readonly folder: string;
  readonly target: string;
  readonly port: number;
}): MeasuredProcess {
  const { folder, target, port } = daemon;
  const config = join(folder, 'rsyncd.conf');
  const owner = process.getuid?.() === 0 ? ['uid = 0', 'gid = 0'] : [];
  const lines = ['use chroot = no', '[copy]', `path = ${target}`, 'read only = no', ...owner];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const address = ['--address', '127.0.0.1', '--port', String(port)];
  const args = ['--daemon', '--no-detach', '--config', config, ...address];
  return new MeasuredProcess({ name: 'rsync', command: 'rsync', args, folder });
}

function answers(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('error', () => {
      resolve(undefined);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function versionOf(command: string, argument: string): string | undefined {
  const { error, stdout } = spawnSync(command, [argument], { encoding: 'utf8' });
  return error === undefined ? (/\d+\.\d+(\.\d+)?/.exec(stdout)?.[0] ?? 'unknown') : undefined;
}

function run(command: string, args: readonly string[]): CopyRun & { readonly out: string } {
  const start = performance.now();
  const out = execFileSync(command, args, { encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX });
  return { ms: performance.now() - start, sentBytes: undefined, out };
}
