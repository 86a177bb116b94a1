/**
 * Real databases under load, on each file system that an image is taken of in its own way: every point
 * is restored, started, judged by the server's own checker, and lacks nothing that was acknowledged
 * before it was taken (promise 6; R16).
 */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DatabaseKind } from '../../applications/database-server.js';
import { mariadb } from '../../applications/mariadb-server.js';
import { postgresql, postgresqlBackup } from '../../applications/postgresql-server.js';
import { redisDump, redisLog } from '../../applications/redis-server.js';
import { runPoints } from '../../applications/restored-points.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import {
  BlockDevices,
  homeOfDevices,
  makeFileSystem,
  mountsMissing,
} from '../power/block-devices.js';

const POINTS = 20;
const IMAGE_BYTES = 4 * 1024 ** 3;
const kinds = [postgresql, postgresqlBackup, mariadb, redisLog, redisDump];
/** `ext4` is taken in rounds, `xfs` can be cloned. */
const fileSystems = ['ext4', 'xfs'] as const;
const nothing = { tried: 0, survived: 0, lost: 0, wrong: 0 };

export const campaign: Campaign = { name: 'applications', run };

async function run(options: CampaignOptions): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const fileSystem of fileSystems) {
    for (const server of kinds) {
      const kind = `${server.name} under load on ${fileSystem}`;
      const skipped = server.missing() ?? mountsMissing([fileSystem]);
      if (skipped !== undefined) outcomes.push({ kind, ...nothing, skipped });
      else outcomes.push({ kind, ...(await runOn(fileSystem, server, options)) });
    }
  }
  return outcomes;
}

/** `as it is`: that of the temporary folder, which needs no rights. */
export async function runOn(
  fileSystem: (typeof fileSystems)[number] | 'as it is',
  kind: DatabaseKind,
  options: CampaignOptions,
): Promise<typeof nothing> {
  const points = Math.max(1, Math.round(POINTS * options.budget));
  const log = (line: string): void => {
    options.log(line);
  };
  const devices = new BlockDevices();
  const home = homeOfDevices(tmpdir());
  fs.chmodSync(home, 0o711);
  try {
    const parent = path.join(home, 'disk');
    fs.mkdirSync(parent);
    if (fileSystem !== 'as it is') {
      const image = path.join(home, 'image');
      makeFileSystem(fileSystem, image, { bytes: IMAGE_BYTES });
      devices.mount(devices.loop(image), parent);
    }
    const { heldMs, wrong } = await runPoints({ kind, points, parent, log });
    for (const line of wrong) log(`${kind.name} on ${fileSystem}: ${line}`);
    const held = [...heldMs].sort((a, b) => a - b).map((ms) => ms.toFixed(0));
    log(`${kind.name} on ${fileSystem}: held for ${held.join(', ')} ms`);
    const failed = new Set(wrong.map((line) => line.split(/[ :]/, 2).join(' '))).size;
    return { tried: points, survived: points - failed, lost: 0, wrong: failed };
  } finally {
    devices.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}
