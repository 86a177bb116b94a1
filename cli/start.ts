/**
 * `npm start`: the main job on one machine, for real. Starts broker, replica and agent, protects a
 * sample (or the folder that is named), copies, changes, syncs, restores an earlier point and proves
 * it equal; then stays up, watching, until Ctrl-C.
 */
import fs from 'node:fs';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { TOKEN_FILE, URL_FILE } from '../shared/api/address.js';
import { AfterimageError, asAfterimageError, ExitCode } from '../shared/errors.js';
import { checkLedger } from './sample/ledger-writer.js';
import {
  changeSample,
  LEDGER_FILE,
  makeSample,
  type TreeDigest,
  treeDigest,
} from './sample/make-sample.js';
import { Processes } from './sample/processes.js';

const READY_MS = 180_000;
const SET = 'sample';
const UNREADABLE_SHOWN = 5;

interface Stage {
  /** Everything of this run lies below it. */
  readonly folder: string;
  /** What is protected. */
  readonly root: string;
  readonly isSample: boolean;
  readonly processes: Processes;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { once: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const stage = prepare(positionals[0]);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      stop.abort();
    });
  try {
    const good = await Promise.race([runMainJob(stage), aborted(stop.signal)]);
    if (!values.once && good) {
      whatNext(stage);
      await aborted(stop.signal);
    }
    return good ? ExitCode.ok : ExitCode.mismatch;
  } finally {
    stop.abort();
    await stage.processes.stop();
    say(`\nStopped. The data is in ${path.relative('.', stage.folder)}`);
  }
}

async function aborted(signal: AbortSignal): Promise<false> {
  await delay(2 ** 31 - 1, undefined, { signal }).catch(() => undefined);
  return false;
}

/** A folder of our own below the current one; the sample's is made anew, another's history is kept. */
function prepare(named: string | undefined): Stage {
  const home = path.resolve('.afterimage');
  const isSample = named === undefined;
  const root = isSample ? path.join(home, 'sample', 'app') : path.resolve(named);
  if (!isSample && fs.statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new AfterimageError('argument-invalid', `${root} is no folder`);
  }
  const own = isSample
    ? 'sample'
    : `folder-${createHash('sha256').update(root).digest('hex').slice(0, 8)}`;
  const folder = path.join(home, own);
  if (isSample) fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(path.join(folder, 'config'), { recursive: true });
  if (isSample) {
    fs.mkdirSync(root, { recursive: true });
    makeSample(root);
  }
  return { folder, root, isSample, processes: new Processes(folder) };
}

async function runMainJob(stage: Stage): Promise<boolean> {
  say(`Protecting ${stage.root}\n`);
  await startProcesses(stage);
  return stage.isSample ? proveSample(stage) : proveFolder(stage);
}

async function startProcesses(stage: Stage): Promise<void> {
  const { processes, folder, root } = stage;
  const at = (name: string): string => path.join(folder, 'config', name);
  fs.writeFileSync(
    at('replica.yaml'),
    stringify({
      data_folder: processes.dataFolder,
      listen: '127.0.0.1:0',
      broker: { listen: '127.0.0.1:0' },
      quotas: { free_bytes_min: '64 MiB' },
    }),
  );
  fs.rmSync(path.join(processes.dataFolder, URL_FILE), { force: true });
  say('• finding or fetching a broker, starting broker and replica');
  processes.serve('replica', ['replica', '--config', at('replica.yaml')]);
  const serving = (): boolean => fs.existsSync(path.join(processes.dataFolder, URL_FILE));
  await processes.until('starting the replica', serving, READY_MS);
  if (!fs.existsSync(path.join(folder, 'agent', 'identity'))) {
    await show(stage, [
      'enroll',
      'local',
      '--config',
      at('replica.yaml'),
      '--out',
      at('enrolment.json'),
    ]);
  }
  fs.writeFileSync(at('agent.yaml'), agentYaml(stage, at('enrolment.json')));
  if (stage.isSample) processes.startWriter(path.join(root, LEDGER_FILE));
  say('• starting the agent');
  processes.serve('agent', ['agent', '--config', at('agent.yaml')]);
  await processes.until('connecting the agent', () => agentConnected(stage), READY_MS);
}

function agentYaml(stage: Stage, enrolment: string): string {
  const inside = path.relative(stage.root, path.resolve('.afterimage'));
  const exclude = stage.isSample || inside.startsWith('..') ? [] : [`/${inside}/`];
  const set = {
    name: SET,
    roots: [{ path: stage.root, name: path.basename(stage.root) }],
    exclude: stage.isSample ? ['*.db-shm'] : exclude,
    schedule: stage.isSample ? { every: '5s' } : 'continuous',
    quiesce: stage.isSample
      ? { recipe: 'sqlite', databases: [path.join(stage.root, LEDGER_FILE)] }
      : { recipe: 'none' },
  };
  return stringify({ data_folder: path.join(stage.folder, 'agent'), enrolment, sets: [set] });
}

async function agentConnected({ processes }: Stage): Promise<boolean> {
  const { code, out } = await processes.run(['status', '--json']);
  if (code !== 0) return false;
  const status = JSON.parse(out) as {
    sets: { set: string; agentConnected: boolean; points: number }[];
  };
  return status.sets.some(
    ({ set, agentConnected: live, points }) => set === SET && live && points > 0,
  );
}

/** Prints a command as an operator would type it, and what it says. Throws when it fails. */
async function show(
  { processes }: Stage,
  args: readonly string[],
  good: readonly number[] = [ExitCode.ok],
): Promise<string> {
  const answer = await processes.run(args);
  say(`\n$ afterimage ${args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg)).join(' ')}`);
  const text = `${answer.out}${answer.err}`.trimEnd();
  if (text !== '') say(text);
  if (!good.includes(answer.code)) {
    throw new AfterimageError('mismatch', `afterimage ${args[0] ?? ''} ended with ${answer.code}`);
  }
  return answer.out;
}

async function syncNow(stage: Stage): Promise<number> {
  const { processes } = stage;
  const answer = await processes.run(['sync', SET, '--wait', '--json']);
  if (answer.code !== 0) throw new AfterimageError('mismatch', `sync failed: ${answer.err.trim()}`);
  const { point } = JSON.parse(answer.out) as { point: { point: number } | null };
  if (point === null)
    throw new AfterimageError('internal', 'a sync that was waited for has no point');
  return point.point;
}

const isLedger = (relative: string): boolean => relative.startsWith('database');

async function proveSample(stage: Stage): Promise<boolean> {
  const ledger = path.join(stage.root, LEDGER_FILE);
  const before = treeDigest(stage.root, isLedger).digest;
  const rowsBefore = checkLedger(ledger).rows;
  const earlier = await syncNow(stage);
  const rowsAfter = checkLedger(ledger).rows;
  say(`• full copy made; point ${earlier} is the state to come back to`);
  say('\n• changing things, with the database written to all the time:');
  for (const line of changeSample(stage.root)) say(`    ${line}`);
  await syncNow(stage);
  await show(stage, ['points', SET]);
  await show(stage, ['diff', `${SET}@${earlier}`, `${SET}@latest`], [ExitCode.mismatch]);
  const target = path.join(stage.folder, 'restored');
  await show(stage, ['restore', `${SET}@${earlier}`, '--to', target]);
  const restored = path.join(target, path.basename(stage.root));
  const after = treeDigest(restored, isLedger).digest;
  const restoredLedger = checkLedger(path.join(restored, LEDGER_FILE));
  say('');
  const same = report(
    after === before,
    `files of point ${earlier} equal the source as it was: ${after.slice(0, 16)}…`,
  );
  const rows = `${restoredLedger.rows} rows, ${rowsBefore} committed before the sync and ${rowsAfter} after it`;
  const inTime = restoredLedger.rows >= rowsBefore && restoredLedger.rows <= rowsAfter;
  const sound = report(
    restoredLedger.fault === null && inTime,
    restoredLedger.fault ?? `the restored database is whole: integrity ok, ${rows}`,
  );
  return same && sound;
}

/**
 * Somebody's own folder is never changed: what is proved is the copy of it as it stands, but for what
 * this user may not read, which is named.
 */
async function proveFolder(stage: Stage): Promise<boolean> {
  const own = path.relative(stage.root, path.resolve('.afterimage'));
  const skip = (relative: string): boolean => relative === own;
  const before = treeDigest(stage.root, skip);
  const point = await syncNow(stage);
  const still = treeDigest(stage.root, skip).digest === before.digest;
  await show(stage, ['points', SET]);
  const target = fs.mkdtempSync(path.join(stage.folder, 'restored-'));
  await show(stage, ['restore', `${SET}@${point}`, '--to', target]);
  const restored = path.join(target, path.basename(stage.root));
  sayUnreadable(before);
  if (!still) {
    say(
      '\nThe folder changed meanwhile and cannot be compared; checking every block of the point instead.',
    );
    await show(stage, ['verify', `${SET}@${point}`, '--data']);
    return true;
  }
  // The point may have it all the same, from a run that was allowed to read it.
  const isUnread = (relative: string): boolean =>
    before.unreadable.has(relative) || before.closed.has(path.dirname(relative));
  return report(
    treeDigest(restored, isUnread).digest === before.digest,
    `the restored folder equals ${stage.root}`,
  );
}

function sayUnreadable({ unreadable, closed }: TreeDigest): void {
  const names = [...unreadable, ...[...closed].map((folder) => `${folder}/`)];
  if (names.length === 0) return;
  say(
    `\nThis user may not read ${names.length} of it, and neither may the agent that runs as this user:`,
  );
  for (const name of names.slice(0, UNREADABLE_SHOWN)) say(`    ${name}`);
  if (names.length > UNREADABLE_SHOWN) say(`    and ${names.length - UNREADABLE_SHOWN} more`);
}

function report(good: boolean, text: string): boolean {
  say(`${good ? '✓' : '✗'} ${text}`);
  return good;
}

function whatNext(stage: Stage): void {
  const data = path.relative('.', stage.processes.dataFolder);
  const url = fs.readFileSync(path.join(stage.processes.dataFolder, URL_FILE), 'utf8').trim();
  say(`
Everything stays up and watches. Change something in ${path.relative('.', stage.root) || '.'} and look, in another terminal:

  export AFTERIMAGE_DATA=${data}
  npm run -s afterimage -- status
  npm run -s afterimage -- points ${SET}
  npm run -s afterimage -- ls ${SET}@latest
  npm run -s afterimage -- find '*page-01*'
  npm run -s afterimage -- restore ${SET}@latest~1 --to ./restored

Or in a browser: ${url}/console/
Sign in with the token that \`cat ${path.join(data, TOKEN_FILE)}\` prints.

Ctrl-C stops everything.`);
}

try {
  process.exitCode = await main();
} catch (cause) {
  const error = asAfterimageError(cause);
  process.stderr.write(`afterimage: ${error.message}\n${error.hint}\n`);
  process.exitCode = error.exit;
}
