/**
 * An application that goes on while it is read, by its own backup protocol: what its points hold, and
 * that a point without a whole copy claims none (R16).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { PlacedFiles } from '../../../agent/plan/placed-files.js';
import type { QuiesceRecipe, RunningBackup } from '../../../agent/quiesce/recipe.js';
import { AfterimageError } from '../../../shared/errors.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { Posix } from '../../../shared/posix/posix.js';
import type { SyncOutcome } from '../../../shared/protocol/sync-outcome.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

let bench: AgentBench;
afterEach(() => {
  bench.close();
});

/** An application with a data folder `root/db` whose log is in `root/db/log`. */
class Application {
  when: 'always' | 'otherwise' = 'always';
  label = 'label 1';
  intact = true;
  wrong: string | undefined;
  holds = false;
  refuses = false;
  rests = false;
  readonly did: string[] = [];

  write(name: string, content: string): void {
    if (this.rests) return;
    writeFileSync(join(bench.root, 'db', name), content);
  }

  recipe(): QuiesceRecipe {
    return {
      name: 'postgresql',
      consistency: 'application',
      hold: () =>
        this.holds
          ? Promise.resolve(this.#running())
          : Promise.reject(new AfterimageError('quiesce-failed', 'no right to stop it')),
      backup: {
        when: this.when,
        begin: () => {
          if (this.refuses)
            return Promise.reject(new AfterimageError('quiesce-failed', 'no right'));
          this.did.push('begin');
          this.write('table', 'during');
          return Promise.resolve(this.#running());
        },
      },
    };
  }

  #running(): RunningBackup {
    const folder = join(bench.root, 'db');
    return {
      heldSinceMs: 0,
      facts: { version: '15', startPosition: '0/1' },
      broken: new AbortController().signal,
      release: () => {
        this.did.push('release');
        this.write('table', 'after');
        this.write('log/1', 'up to the end');
        const { intact } = this;
        return Promise.resolve({ heldMs: 5, intact, releasedBy: 'agent', problems: [] });
      },
      end: () => ({
        logs: [join(folder, 'log')],
        traces: [],
        files: [{ folder, name: 'backup_label', content: Buffer.from(this.label) }],
        logPosition: '0/2',
      }),
      close: () => {
        this.did.push('close');
        this.write('log/1', 'later');
        return Promise.resolve(this.wrong);
      },
    };
  }
}

function open(): Application {
  const application = new Application();
  bench = openBench({ set: { recipe: () => application.recipe() } });
  Object.assign(bench.set, { placed: placed() });
  mkdirSync(join(bench.root, 'db/log'), { recursive: true });
  application.write('table', 'before');
  application.write('log/1', 'before');
  return application;
}

function placed(): PlacedFiles {
  return new PlacedFiles({ folder: join(bench.folder, 'placed'), posix: loadPosix() });
}

function restart(): void {
  bench.restart();
  Object.assign(bench.set, { placed: placed() });
}

/** Name of a file of the newest point to what it holds; undefined for one that is not there. */
function contents(): Record<string, string | undefined> {
  const { entries, nodes } = bench.session.replica.state;
  return Object.fromEntries(
    [...entries].flatMap(([entry, node]) => {
      const found = nodes.get(node);
      const name = entry.slice(entry.indexOf('/') + 1);
      return found?.record.kind === 'file' ? [[name, found.content.toString()]] : [];
    }),
  );
}

function outcome(): SyncOutcome {
  const { outcome: said } = bench.session.replica;
  if (said === undefined) throw new Error('no point');
  return said;
}

test('backup: a point has its files as read before the end, its log as of the end, and the label', async () => {
  const application = open();
  await bench.sync();
  expect(application.did).toEqual(['begin', 'release', 'close']);
  expect(contents()).toEqual({ table: 'during', 1: 'up to the end', backup_label: 'label 1' });
  expect(outcome()).toMatchObject({ consistency: 'application', heldMs: 0 });
  expect(outcome().applications).toMatchObject([
    { version: '15', logPosition: '0/2', facts: { held: false, intact: true, backupMs: 5 } },
  ]);
});

test('backup: the label is of each point; one that is not a copy has none, restarts or not', async () => {
  const application = open();
  await bench.sync();
  restart();
  application.label = 'label 2';
  await bench.sync();
  expect(contents()).toMatchObject({ table: 'during', backup_label: 'label 2' });
  restart();
  application.refuses = true;
  application.write('table', 'later');
  await bench.sync();
  expect(outcome()).toMatchObject({ consistency: 'crash' });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('backup: what is in no folder is no change to an application that rests', async () => {
  const application = open();
  application.rests = true;
  await bench.sync();
  application.did.length = 0;
  let result = await bench.sync();
  for (let again = 0; again < 20 && result.type !== 'unchanged'; again += 1) {
    result = await bench.sync(); // until the files are older than a tick
  }
  expect(result.type).toBe('unchanged');
  expect(contents()['backup_label']).toBe('label 1');
});

test('backup: a point of a hold has no label, and the next of a backup has one again', async () => {
  const application = open();
  await bench.sync();
  application.when = 'otherwise';
  application.holds = true;
  await bench.sync();
  expect(contents()['backup_label']).toBeUndefined();
  application.when = 'always';
  application.write('table', 'more');
  await bench.sync();
  expect(contents()['backup_label']).toBe('label 1');
});

test('backup: a set that is quiesced in another way afterwards loses the label', async () => {
  open();
  await bench.sync();
  Object.assign(bench.set, {
    recipe: (): QuiesceRecipe => ({
      name: 'none',
      consistency: 'crash',
      hold: () => Promise.reject(new Error('not held')),
    }),
  });
  await bench.sync({ always: true });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('backup: one that ended early, or whose log is not whole, is no copy', async () => {
  const application = open();
  application.intact = false;
  await bench.sync();
  expect(contents()['backup_label']).toBeUndefined();
  expect(outcome()).toMatchObject({ consistency: 'crash' });
  application.intact = true;
  application.wrong = 'the server removed its log file';
  application.write('table', 'again');
  await bench.sync();
  expect(contents()['backup_label']).toBeUndefined();
  expect(outcome()).toMatchObject({ consistency: 'crash' });
  expect(outcome().applications[0]?.facts).toMatchObject({
    intact: false,
    problems: 'the server removed its log file',
  });
});

test('backup: where the application cannot be held, it is made instead, and the point says why', async () => {
  const application = open();
  application.when = 'otherwise';
  await bench.sync();
  expect(contents()).toMatchObject({ backup_label: 'label 1' });
  expect(outcome()).toMatchObject({ consistency: 'application' });
  expect(outcome().applications[0]?.facts).toMatchObject({
    because: 'not held: no right to stop it',
  });
  application.holds = true;
  application.write('table', 'again');
  await bench.sync();
  expect(contents()['backup_label']).toBeUndefined();
});

test('backup: a label that cannot be read is not replaced by that of the point before', async () => {
  const application = open();
  await bench.sync();
  application.label = 'label 2';
  const posix: Posix = Object.create(loadPosix()) as Posix;
  posix.getXattrs = (path) => {
    if (path.toString().includes('/placed/')) {
      throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 });
    }
    return loadPosix().getXattrs(path);
  };
  Object.assign(bench.set, { posix });
  await bench.sync();
  expect(contents()['backup_label']).toBeUndefined();
  expect(outcome()).toMatchObject({ consistency: 'crash' });
});
