/** kopia into a local repository. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Copier, CopierOptions } from '../copier.js';
import { digestTree } from '../trees/tree-digest.js';
import { runCommand } from './commands.js';
import { versionOf } from './installed.js';
import type { Network } from './network.js';

/** Undefined when kopia is not installed. */
export async function startKopia({
  root,
  folder,
  network,
}: CopierOptions & { readonly network: Network }): Promise<Copier | undefined> {
  const version = versionOf('kopia', '--version');
  if (version === undefined) return undefined;
  const store = join(folder, 'repository');
  mkdirSync(store, { recursive: true });
  const env = { ...process.env, KOPIA_PASSWORD: 'bench', KOPIA_CHECK_FOR_UPDATES: 'false' };
  const own = ['--config-file', join(folder, 'kopia.config'), '--log-dir', join(folder, 'log')];
  const kopia = async (args: readonly string[], before: readonly string[] = []): Promise<Buffer> =>
    await runCommand([...before, 'kopia', ...args, ...own], { env });
  const cache = ['--cache-directory', join(folder, 'cache')];
  await kopia(['repository', 'create', 'filesystem', '--path', store, ...cache]);
  let newest = '';
  const restore = async (target: string): Promise<string> => {
    await kopia(['snapshot', 'restore', newest, target]);
    return target;
  };
  return {
    name: 'kopia',
    about: `kopia ${version}, local repository: no network between`,
    storeFolder: store,
    local: true,
    processes: () => new Map(),
    copy: async () => {
      const said = await kopia(['snapshot', 'create', '--json', root], network.onSource);
      newest = (JSON.parse(said.toString()) as { readonly id: string }).id;
    },
    digest: async () => {
      const target = mkdtempSync(join(folder, 'restored-'));
      const digest = digestTree(await restore(target), { metadata: 'without' });
      rmSync(target, { recursive: true });
      return digest;
    },
    restoreAll: restore,
    readFile: (path) => kopia(['show', `${newest}/${path}`]),
    stop: () => Promise.resolve(),
  };
}
