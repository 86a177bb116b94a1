/** A replica that serves the sample and the console as it is built from the sources now. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TOKEN_FILE } from '../../../shared/api/address.js';
import { parseReplicaConfig } from '../../../shared/config/replica-config.js';
import { silentLog } from '../../../shared/log.js';
import { runReplica } from '../../../replica/replica.js';
import { fillMail, fillShop } from './sample.js';
import { fillSets, type SampleSet } from './sample-set.js';

export interface SampleReplica {
  readonly url: string;
  readonly token: string;
  /** Where the replica may restore to. */
  readonly restoreRoot: string;
  /** What the API answers to a GET. */
  ask(route: string): Promise<unknown>;
  close(): Promise<void>;
}

export interface SampleOptions {
  /** Fills the sets instead of the usual sample. */
  readonly fill?: (open: (set: string) => Promise<SampleSet>) => Promise<void>;
  /** What happened to the filled data folder before the replica starts. */
  readonly before?: (folders: {
    readonly dataFolder: string;
    readonly restoreRoot: string;
  }) => void;
}

export async function startSampleReplica({
  fill = usual,
  before = () => undefined,
}: SampleOptions = {}): Promise<SampleReplica> {
  execFileSync(process.execPath, [
    fileURLToPath(new URL('../../../console/build.js', import.meta.url)),
  ]);
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(inMemory(), 'afterimage-console-')));
  const dataFolder = path.join(folder, 'replica');
  const restoreRoot = path.join(folder, 'restored');
  fs.mkdirSync(restoreRoot);
  await fillSets(dataFolder, fill);
  before({ dataFolder, restoreRoot });
  const config = parseReplicaConfig({
    path: path.join(folder, 'replica.yaml'),
    text: JSON.stringify({
      data_folder: dataFolder,
      listen: '127.0.0.1:0',
      broker: { listen: '127.0.0.1:0' },
      restore_roots: [restoreRoot],
      quotas: { free_bytes_min: '16 MiB' },
    }),
  });
  const replica = await runReplica(config, { log: silentLog, version: '0.0.0-test' });
  const token = fs.readFileSync(path.join(dataFolder, TOKEN_FILE), 'utf8').trim();
  return {
    url: replica.url,
    token,
    restoreRoot,
    ask: async (route) => {
      const headers = { authorization: `Bearer ${token}` };
      return await (await fetch(`${replica.url}${route}`, { headers })).json();
    },
    close: async () => {
      await replica.close();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A hundred points are a hundred flushes: memory is 20 times faster than a busy disk. */
function inMemory(): string {
  try {
    fs.accessSync('/dev/shm', fs.constants.W_OK);
    return '/dev/shm';
  } catch {
    return os.tmpdir();
  }
}

async function usual(open: (set: string) => Promise<SampleSet>): Promise<void> {
  const newestMs = Date.now() - 4 * 60_000;
  await fillShop(await open('shop'), newestMs);
  await fillMail(await open('mail'), newestMs);
}
