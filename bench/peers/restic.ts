/** restic, through its REST server where that is installed and else into a local repository. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Copier, CopierOptions } from '../copier.js';
import { freePort, MeasuredProcess } from '../process.js';
import { digestTree } from '../trees/tree-digest.js';
import { answers } from './answers.js';
import { runCommand } from './commands.js';
import { versionOf } from './installed.js';
import type { Network } from './network.js';

const READY_MS = 10_000;

/** Undefined when restic is not installed. */
export async function startRestic({
  root,
  folder,
  network,
}: CopierOptions & { readonly network: Network }): Promise<Copier | undefined> {
  const version = versionOf('restic', 'version');
  if (version === undefined) return undefined;
  const store = join(folder, 'repository');
  mkdirSync(store, { recursive: true });
  const password = join(folder, 'password');
  writeFileSync(password, 'bench');
  const server = await startServer(store, { folder, host: network.host });
  const repository = server === undefined ? store : `rest:${server.url}`;
  const own = ['--repo', repository, '--password-file', password];
  const options = [...own, '--cache-dir', join(folder, 'cache'), '--quiet'];
  const { onSource } = network;
  await runCommand(['restic', 'init', '--repository-version', '2', ...options]);
  const restore = async (target: string): Promise<string> => {
    await runCommand(['restic', 'restore', 'latest', ...options, '--target', target]);
    return join(target, root);
  };
  return {
    name: 'restic',
    about: `restic ${version}, ${server === undefined ? 'local repository: no network between' : 'REST server'}`,
    storeFolder: store,
    ...(server === undefined ? { local: true } : {}),
    processes: () => new Map(server === undefined ? [] : [['server', server.process.pid]]),
    copy: async () => {
      await runCommand([...onSource, 'restic', 'backup', ...options, root]);
    },
    digest: async () => {
      const target = mkdtempSync(join(folder, 'restored-'));
      const digest = digestTree(await restore(target), { metadata: 'without' });
      rmSync(target, { recursive: true });
      return digest;
    },
    restoreAll: restore,
    readFile: (path) => runCommand(['restic', 'dump', ...options, 'latest', join(root, path)]),
    find: async (name) => {
      const said = await runCommand(['restic', 'find', ...options, '--json', name]);
      const found = JSON.parse(said.toString()) as readonly { readonly hits: number }[];
      return found.reduce((sum, { hits }) => sum + hits, 0);
    },
    stop: async () => {
      await server?.process.stop();
    },
  };
}

/** Undefined when there is none installed. */
async function startServer(
  store: string,
  { folder, host }: { readonly folder: string; readonly host: string },
): Promise<{ readonly url: string; readonly process: MeasuredProcess } | undefined> {
  const command = ['rest-server', 'restic-rest-server'].find(
    (name) => versionOf(name, '--version') !== undefined,
  );
  if (command === undefined) return undefined;
  const port = await freePort();
  const args = ['--no-auth', '--path', store, '--listen', `${host}:${port}`];
  const server = new MeasuredProcess({ name: 'rest-server', command, args, folder });
  await server.until(() => answers(host, port), READY_MS);
  return { url: `http://${host}:${port}/`, process: server };
}
