/** rsync to a daemon of its own: a plain copy that keeps no history and flushes nothing. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Copier, CopierOptions } from '../copier.js';
import { freePort, MeasuredProcess } from '../process.js';
import { digestTree } from '../trees/tree-digest.js';
import { answers } from './answers.js';
import { runCommand } from './commands.js';
import { versionOf } from './installed.js';
import type { Network } from './network.js';

const READY_MS = 10_000;
const KEEP = ['-aH', '--delete', '--modify-window=-1'];

/** Undefined when rsync is not installed. */
export async function startRsync({
  root,
  folder,
  network,
}: CopierOptions & { readonly network: Network }): Promise<Copier | undefined> {
  const version = versionOf('rsync', '--version');
  if (version === undefined) return undefined;
  const target = join(folder, 'copy');
  mkdirSync(target, { recursive: true });
  const { host, onSource } = network;
  const port = await freePort();
  const daemon = startDaemon({ folder, target, host, port });
  await daemon.until(() => answers(host, port), READY_MS);
  const copy = `rsync://${host}:${port}/copy/`;
  const fetched = join(folder, 'fetched');
  let told: number | undefined;
  return {
    name: 'rsync',
    about: `rsync ${version} to its daemon, without flushing and without history`,
    storeFolder: target,
    processes: () => new Map([['daemon', daemon.pid]]),
    copy: async () => {
      const said = await runCommand([...onSource, 'rsync', ...KEEP, '--stats', `${root}/`, copy]);
      const sent = /Total bytes sent: ([\d,]+)/.exec(said.toString())?.[1];
      told = sent === undefined ? undefined : Number(sent.replaceAll(',', ''));
    },
    toldBytes: () => Promise.resolve(told),
    digest: () => Promise.resolve(digestTree(target, { metadata: 'without' })),
    restoreAll: async (to) => {
      await runCommand(['rsync', ...KEEP, copy, `${to}/`]);
      return to;
    },
    restoreInPlace: async (to) => {
      await runCommand(['rsync', ...KEEP, copy, `${to}/`]);
    },
    readFile: async (path) => {
      await runCommand(['rsync', '-a', '--ignore-times', `${copy}${path}`, `${fetched}/`]);
      return await readFile(join(fetched, basename(path)));
    },
    stop: () => daemon.stop(),
  };
}

function startDaemon(daemon: {
  readonly folder: string;
  readonly target: string;
  readonly host: string;
  readonly port: number;
}): MeasuredProcess {
  const { folder, target, host, port } = daemon;
  const config = join(folder, 'rsyncd.conf');
  const owner = process.getuid?.() === 0 ? ['uid = 0', 'gid = 0'] : [];
  const lines = ['use chroot = no', '[copy]', `path = ${target}`, 'read only = no', ...owner];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const address = ['--address', host, '--port', String(port)];
  const args = ['--daemon', '--no-detach', '--config', config, ...address];
  return new MeasuredProcess({ name: 'rsync', command: 'rsync', args, folder });
}
