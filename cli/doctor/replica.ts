/** What a replica needs, by its configuration; one that runs is asked how it is. */
import fs from 'node:fs';
import path from 'node:path';
import { X509Certificate } from 'node:crypto';
import { locateBroker } from '../../replica/broker/locate.js';
import { TOKEN_FILE, URL_FILE } from '../../shared/api/address.js';
import { statusSchema } from '../../shared/api/status.js';
import type { ReplicaConfig } from '../../shared/config/replica-config.js';
import { createLog } from '../../shared/log.js';
import { ApiClient } from '../api-client.js';
import { formatDuration } from '../format.js';
import { attempt, type Check, fail, ok, warn } from './check.js';
import { checkOwnFolder, isWritable } from './folder.js';
import { checkSkew } from './host.js';
import { checkBrokerUrl, whyNotFree } from './reach.js';

const DAY_MS = 24 * 3600 * 1000;
const EXPIRES_SOON_MS = 30 * DAY_MS;
const silent = createLog({ level: 'error', write: () => undefined });

export async function checkReplica(
  config: ReplicaConfig,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const isRunning = fs.existsSync(path.join(config.dataFolder, URL_FILE));
  const checks = [
    await attempt('data folder', () =>
      checkOwnFolder({
        subject: 'data folder',
        folder: config.dataFolder,
        freeBytesMin: config.quotas.freeBytesMin,
      }),
    ),
    isRunning
      ? await attempt('API', () => askRunning(config, signal))
      : await attempt('API', () => address('API', config.listen)),
    await attempt('broker', () => broker(config, isRunning)),
    ...config.restoreRoots.map((folder) => [restoreRoot(folder)]),
  ];
  return checks.flat();
}

async function address(
  subject: string,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Check> {
  const why = await whyNotFree(host, port);
  if (why === undefined) return ok(subject, `${host}:${port} is free`);
  return fail(subject, `${host}:${port}: ${why}`, 'End what uses it, or listen at another port.');
}

async function askRunning(
  { dataFolder }: ReplicaConfig,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const read = (name: string): string =>
    fs.readFileSync(path.join(dataFolder, name), 'utf8').trim();
  const url = read(URL_FILE);
  const api = new ApiClient({ url, token: read(TOKEN_FILE) }, signal);
  try {
    const beforeMs = Date.now();
    const status = await api.json(statusSchema, { path: '/v1/status' });
    const afterMs = Date.now();
    return [
      ok('API', `${url} serves version ${status.version}, ${status.sets.length} sets`),
      checkSkew("the replica's clock", status.nowMs, { beforeMs, afterMs }),
      ...status.sets.map(setCheck),
    ];
  } finally {
    await api.close();
  }
}

function setCheck(set: {
  readonly set: string;
  readonly error: { readonly message: string; readonly hint: string } | null;
  readonly agentConnected: boolean;
  readonly lagMs: number | null;
}): Check {
  const subject = `set ${set.set}`;
  if (set.error !== null) return fail(subject, set.error.message, set.error.hint);
  const newest =
    set.lagMs === null ? 'no point yet' : `newest point ${formatDuration(set.lagMs)} old`;
  if (set.agentConnected) return ok(subject, newest);
  return warn(
    subject,
    `its agent is not connected; ${newest}`,
    'Run afterimage doctor on its machine.',
  );
}

async function broker(
  { broker: choice }: ReplicaConfig,
  isRunning: boolean,
): Promise<readonly Check[]> {
  if (choice.type === 'external') return [await checkBrokerUrl(choice.url)];
  const checks: Check[] = [];
  if (choice.binary === undefined) {
    const { path: file, version, origin } = await locateBroker({ log: silent, fetch: 'never' });
    checks.push(
      ok(
        'broker',
        `nats-server ${version}, ${origin === 'path' ? 'installed' : 'kept'} at ${file}`,
      ),
    );
  } else if (fs.existsSync(choice.binary)) {
    checks.push(ok('broker', choice.binary));
  } else {
    checks.push(
      fail('broker', `${choice.binary} is not there`, 'Install it, or leave broker.binary out.'),
    );
  }
  if (!isRunning) checks.push(await address('broker', choice.listen));
  if (choice.tls !== undefined) checks.push(certificate(choice.tls.certFile));
  return checks;
}

function certificate(file: string): Check {
  const { validTo } = new X509Certificate(fs.readFileSync(file));
  const leftMs = Date.parse(validTo) - Date.now();
  const subject = "broker's TLS certificate";
  if (leftMs <= 0) return fail(subject, `${file} expired at ${validTo}`, 'Renew it.');
  if (leftMs < EXPIRES_SOON_MS)
    return warn(subject, `${file} expires at ${validTo}`, 'Renew it soon.');
  return ok(subject, `good until ${validTo}`);
}

function restoreRoot(folder: string): Check {
  const subject = `restore root ${folder}`;
  if (!fs.existsSync(folder)) return fail(subject, 'is not there', 'Make it, or take it out.');
  if (isWritable(folder)) return ok(subject, 'can be written to');
  return fail(subject, 'cannot be written to', 'Let the user of the replica write to it.');
}
