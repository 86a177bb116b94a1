/**
 * Images of files that a real process writes without pause: one instant over all of them while its
 * control group is frozen, and nothing left when the agent is killed in the middle (R16).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { createCloneEngine } from '../../../agent/image/clone-engine.js';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import { startWatchdog, type Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import {
  cloningMissing,
  CloningMounts,
  openCloningBench,
  recipeOf,
  type CloningPlace,
} from '../support/cloning-mounts.js';
import { until } from '../support/until.js';

const FILES = 50;
const group = findFreezer();
const missing = cloningMissing() ?? (group instanceof Error ? group.message : undefined);
if (missing !== undefined) console.warn(`images of a real writer not tested: ${missing}`);
const real = test.skipIf(missing !== undefined);

/** A control group of our own that can be frozen, whichever version there is. */
function findFreezer(): string | Error {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, folder = '', type, options = ''] = line.split(' ');
    const freezer = type === 'cgroup' && options.split(',').includes('freezer');
    if (type !== 'cgroup2' && !freezer) continue;
    const path = join(folder, `afterimage-image-${process.pid}`);
    try {
      mkdirSync(path);
    } catch {
      continue; // not ours to make groups in
    }
    if (['cgroup.freeze', 'freezer.state'].some((name) => existsSync(join(path, name))))
      return path;
    rmdirSync(path);
  }
  return new Error('no control group can be frozen');
}

/** Appends the same number to file after file, then the next number. */
const writer = `
  const { openSync, writeSync } = require('node:fs');
  const { join } = require('node:path');
  const files = [];
  for (let at = 0; at < ${FILES}; at += 1) {
    const file = openSync(join(process.argv[1], 'file-' + at), process.argv[2]);
    writeSync(file, Buffer.alloc(64 * 1024, '.'));
    files.push(file);
  }
  for (let round = 0; ; round += 1) {
    for (const file of files) writeSync(file, String(round).padStart(8, '0'));
  }`;

const mounts = missing === undefined ? new CloningMounts() : undefined;
const children: ChildProcess[] = [];
let watchdog: Watchdog;
beforeAll(async () => {
  watchdog = await startWatchdog({ log: silentLog });
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
});
afterAll(async () => {
  await watchdog.close();
  if (typeof group === 'string') {
    await until(
      'the group is empty',
      () => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '',
    );
    rmdirSync(group);
  }
  mounts?.close();
});

/** `how`: of open(2), as Node writes it. */
function start(root: string, how: 'a' | 'as' = 'a'): void {
  const child = spawn(process.execPath, ['-e', writer, root, how], { stdio: 'inherit' });
  children.push(child);
  writeFileSync(join(String(group), 'cgroup.procs'), String(child.pid));
}

real.each(['xfs', 'btrfs', 'btrfs subvolume'] as readonly CloningPlace[])(
  'clone: a writer of 50 files is seen at one instant, frozen, on %s',
  async (place) => {
    const root = mounts?.newRoot(place) ?? '';
    start(root);
    await until('the writer runs', () => readdirSync(root).length === FILES);
    const config = { kind: 'cgroup', folder: String(group), deadlineMs: 20_000 } as const;
    const recipe = createRecipe(config, { watchdog, clock: systemClock, log: silentLog });
    const bench = openCloningBench({ root, recipe: () => recipe });
    try {
      for (let sync = 0; sync < 4; sync += 1) {
        await bench.sync({ always: true });
        const { outcome, state } = bench.session.replica;
        expect(outcome).toMatchObject({ consistency: 'filesystem', movedWhileHeld: [] });
        const folder = state.entries.get('1/root');
        const rounds = Array.from({ length: FILES }, (_, at) => {
          const node = state.entries.get(`${folder ?? 0}/file-${at}`) ?? 0;
          return (bench.session.replica.content(node).length - 64 * 1024) / 8;
        });
        const first = rounds[0] ?? 0;
        const behind = rounds.findIndex((round) => round !== first);
        const cut = behind < 0 ? FILES : behind;
        expect(first).toBeGreaterThan(0);
        // The writer was stopped between two files, or within none.
        expect(rounds).toEqual(rounds.map((_, at) => (at < cut ? first : first - 1)));
      }
      await bench.engine.close?.();
    } finally {
      bench.close();
    }
  },
);

real.each(['xfs', 'btrfs', 'btrfs subvolume'] as readonly CloningPlace[])(
  'clone: an agent that is killed while it reads clones leaves none for the next, on %s',
  async (place) => {
    const root = mounts?.newRoot(place) ?? '';
    const setFolder = mkdtempSync(join(tmpdir(), 'afterimage-set-'));
    for (let at = 0; at < 6; at += 1) writeFileSync(join(root, `file-${at}`), 'x'.repeat(50_000));
    const compiled = new URL('../../../dist/', import.meta.url).href;
    const script = `
      import { createCloneEngine } from '${compiled}agent/image/clone-engine.js';
      import { systemClock as clock } from '${compiled}shared/clock.js';
      import { silentLog as log } from '${compiled}shared/log.js';
      import { loadPosix } from '${compiled}shared/posix/load-posix.js';
      import { openSync } from 'node:fs';
      const roots = [{ name: 'root', path: ${JSON.stringify(root)} }];
      const setFolder = ${JSON.stringify(setFolder)};
      const posix = loadPosix();
      const engine = createCloneEngine({ roots, setFolder, posix, log, descriptorsMax: 2 });
      const forEver = () => new Promise(() => {
        setInterval(() => undefined, 60_000);
        console.log('reading');
      });
      await engine.take({
        look: async ({ held, cloner, snapshot }) => {
          for (let at = 0; at < 6 && cloner !== undefined; at += 1) {
            const fd = openSync(roots[0].path + '/file-' + at);
            const clone = await cloner.begin({ fd, root: Buffer.from('root'), size: 50_000 });
            await clone.done;
          }
          if (snapshot !== undefined) await forEver();
          return { records: 1, bytes: 1 };
        },
        readHeldFiles: forEver,
        movedWhileHeld: () => [],
        hold: () => undefined,
        recipe: {
          name: 'hooks',
          consistency: 'application',
          hold: async () => ({
            facts: {},
            release: async () => ({ heldMs: 0, intact: true, problems: [] }),
          }),
        },
        roundsMax: 1,
        always: true,
        isEcho: () => false,
        clock,
        log,
        signal: new AbortController().signal,
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const [own = ''] = readdirSync(join(root, '.afterimage'));
    const left = readdirSync(join(root, '.afterimage', own));
    expect(left.length).toBe(place === 'btrfs subvolume' ? 1 : 4);
    const roots = [{ name: 'root', path: root }];
    const next = createCloneEngine({ roots, setFolder, posix: loadPosix(), log: silentLog });
    await until('what the crash left is gone', () => !existsSync(join(root, '.afterimage')));
    await next.close?.();
    rmSync(setFolder, { recursive: true });
  },
);

real('snapshot: one subvolume without any hold is consistent as a file system', async () => {
  const root = mounts?.newRoot('btrfs subvolume') ?? '';
  // What is written without a flush may be in the snapshot or not, as after a power cut.
  start(root, 'as');
  await until('the writer runs', () => readdirSync(root).length === FILES);
  const none = { ...recipeOf({}), name: 'none', consistency: 'crash' as const };
  const bench = openCloningBench({ root, recipe: () => none });
  try {
    for (let sync = 0; sync < 2; sync += 1) {
      await bench.sync();
      const { outcome, state } = bench.session.replica;
      expect(outcome).toMatchObject({ consistency: 'filesystem', engine: 'snapshot', heldMs: 0 });
      const folder = state.entries.get('1/root');
      const sizes = Array.from({ length: FILES }, (_, at) => {
        const node = state.entries.get(`${folder ?? 0}/file-${at}`) ?? 0;
        return bench.session.replica.content(node).length;
      });
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(8);
    }
    await bench.engine.close?.();
  } finally {
    bench.close();
  }
});
