/** borg with lz4 into a local repository. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Copier, CopierOptions } from '../copier.js';
import { digestTree } from '../trees/tree-digest.js';
import { runCommand } from './commands.js';
import { versionOf } from './installed.js';
import type { Network } from './network.js';

/** Undefined when borg is not installed. */
export async function startBorg({
  root,
  folder,
  network,
}: CopierOptions & { readonly network: Network }): Promise<Copier | undefined> {
  const version = versionOf('borg', '--version');
  if (version === undefined) return undefined;
  const store = join(folder, 'repository');
  mkdirSync(folder, { recursive: true });
  const env = { ...process.env, BORG_BASE_DIR: folder };
  const borg = async (args: readonly string[], before: readonly string[] = []): Promise<Buffer> =>
    // 1 is a warning, such as a file that changed.
    await runCommand([...before, 'borg', ...args], { env, alsoFine: [1] });
  await borg(['init', '--encryption=none', store]);
  let archives = 0;
  const newest = (): string => `${store}::${archives}`;
  const restore = async (target: string): Promise<string> => {
    mkdirSync(target, { recursive: true });
    const inTarget = ['env', '--chdir', target];
    await borg(['extract', newest()], inTarget);
    return join(target, root);
  };
  return {
    name: 'borg',
    about: `borg ${version} with lz4, local repository: no network between`,
    storeFolder: store,
    local: true,
    processes: () => new Map(),
    copy: async () => {
      const next = `${store}::${archives + 1}`;
      await borg(['create', '--compression', 'lz4', next, root], network.onSource);
      archives += 1;
    },
    digest: async () => {
      const target = mkdtempSync(join(folder, 'restored-'));
      const digest = digestTree(await restore(target), { metadata: 'without' });
      rmSync(target, { recursive: true });
      return digest;
    },
    restoreAll: restore,
    readFile: (path) => borg(['extract', '--stdout', newest(), join(root, path).slice(1)]),
    stop: () => Promise.resolve(),
  };
}
