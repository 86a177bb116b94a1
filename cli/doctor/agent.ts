/** What an agent needs, by its configuration: nothing is changed, and no application is held. */
import fs from 'node:fs';
import path from 'node:path';
import { createFanotifySource, isUnavailable } from '../../agent/capture/fanotify-source.js';
import { hasIdentity, loadIdentity } from '../../agent/ship/identity.js';
import {
  type AgentConfig,
  readAgentConfig,
  type SetConfig,
} from '../../shared/config/agent-config.js';
import { createLog } from '../../shared/log.js';
import { openTracker } from '../../shared/posix/tracker.js';
import { attempt, type Check, fail, ok, warn } from './check.js';
import { checkOwnFolder, isReadable } from './folder.js';
import { fileSystemOf } from './host.js';
import { checkBrokerUrl } from './reach.js';

const silent = createLog({ level: 'error', write: () => undefined });
const trackerSizes = { files: 1, words: 4 };

/** Throws what makes the configuration unreadable. */
export async function checkAgent(file: string): Promise<readonly Check[]> {
  const config = readAgentConfig(file);
  const checks = [
    [ok('configuration', file)],
    await attempt('data folder', () =>
      checkOwnFolder({
        subject: 'data folder',
        folder: config.dataFolder,
        freeBytesMin: Math.min(config.spoolBytesMax, 1024 ** 3),
      }),
    ),
    await attempt('identity', () => identity(config)),
    await attempt('rights', rights),
    await attempt('changed ranges', changedRanges),
  ];
  for (const set of config.sets) checks.push(await checkSet(set, config));
  return checks.flat();
}

async function identity(config: AgentConfig): Promise<readonly Check[]> {
  const folder = path.join(config.dataFolder, 'identity');
  const { enrolment } = config;
  if (hasIdentity(folder)) {
    const { agent, brokerUrl } = loadIdentity(folder);
    return [
      ok('identity', `enrolled as ${agent}`),
      await checkBrokerUrl(config.broker ?? brokerUrl),
    ];
  }
  if (enrolment !== undefined && isReadable(enrolment)) {
    return [ok('identity', `will be made from ${enrolment} at the first start`)];
  }
  const advice =
    'On the replica: afterimage enroll NAME; copy the file here and name it as enrolment.';
  return [fail('identity', 'this agent is not enrolled', advice)];
}

function rights(): Check {
  if (process.getuid?.() === 0) return ok('rights', 'root');
  return warn(
    'rights',
    `user ${process.getuid?.() ?? '?'}`,
    'As root the kernel tells of changes, every file can be read, and servers can be held.',
  );
}

function changedRanges(): Check {
  const tracker = openTracker(trackerSizes);
  if (!('whyNot' in tracker))
    return ok('changed ranges', 'the kernel can follow them on ext4 and XFS');
  return warn(
    'changed ranges',
    tracker.whyNot,
    'Large files that change on ext4 are read whole; libbpf at npm ci and root make it unnecessary.',
  );
}

async function checkSet(set: SetConfig, config: AgentConfig): Promise<readonly Check[]> {
  const roots = set.roots.map(({ path: root }) => checkRoot(set.name, root));
  const areThere = roots.every(({ state }) => state !== 'fail');
  return [
    ...roots,
    ...(areThere ? await attempt(`${set.name}: changes`, () => changes(set, config)) : []),
    ...(await attempt(`${set.name}: quiesce`, () => quiesce(set))),
  ];
}

function checkRoot(set: string, root: string): Check {
  const subject = `${set}: ${root}`;
  const status = fs.statSync(root, { throwIfNoEntry: false });
  if (status === undefined)
    return fail(subject, 'is not there', 'Name a folder that exists, or mount it.');
  if (!status.isDirectory()) return fail(subject, 'is no folder', 'Name the folder that holds it.');
  if (!isReadable(root)) {
    return fail(subject, 'cannot be read', 'Run the agent as root, or as a user that may read it.');
  }
  const { name } = fileSystemOf(root);
  const image =
    name === 'XFS' || name === 'btrfs'
      ? 'an application is held only while its changed files are cloned'
      : 'files are read while the application is held';
  return ok(subject, `on ${name}: ${image}`);
}

/** Asks the kernel for its reports, and lets them go again. */
async function changes(set: SetConfig, config: AgentConfig): Promise<Check> {
  const subject = `${set.name}: changes`;
  const { source, scanEveryMs } = set.capture;
  if (source === 'scan' || source === 'chokidar')
    return ok(subject, `found by ${source}, as configured`);
  const kernel = createFanotifySource({
    roots: set.roots,
    ownFolders: [config.dataFolder],
    log: silent,
  });
  try {
    await kernel.start(() => undefined);
    return ok(subject, 'the kernel tells of them');
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    const advice = `They are found by walking the tree, every ${scanEveryMs / 1000} s at the latest. ${error.hint}`;
    return warn(subject, error.message, advice);
  } finally {
    await kernel.stop();
  }
}

function quiesce({ name, quiesce: chosen }: SetConfig): Check {
  const subject = `${name}: quiesce`;
  if (chosen.kind === 'none') {
    return warn(
      subject,
      'none',
      'Points are crash-consistent; a recipe makes them those of the application.',
    );
  }
  if (chosen.kind === 'hooks' || chosen.kind === 'cgroup') {
    if (fs.existsSync(chosen.folder)) return ok(subject, `${chosen.kind}, ${chosen.folder}`);
    return fail(subject, `${chosen.folder} is not there`, 'Make it, or name another folder.');
  }
  if (chosen.kind === 'sqlite') return ok(subject, `sqlite, ${chosen.databases.join(', ')}`);
  const found = findProgram(chosen.program);
  if (found !== undefined) return ok(subject, `${chosen.kind}, by ${found}`);
  return fail(
    subject,
    `${chosen.program} is not installed`,
    "Install the server's client program.",
  );
}

function findProgram(name: string): string | undefined {
  if (name.includes('/')) return fs.existsSync(name) ? name : undefined;
  return (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, name))
    .find((file) => fs.existsSync(file));
}
