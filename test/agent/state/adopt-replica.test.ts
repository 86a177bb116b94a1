/** A state that is rebuilt from the replica: what is not mounted is never taken for deleted (R13, R17). */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TimeSlice } from '../../../shared/time-slice.js';
import { adoptReplica } from '../../../agent/state/adopt-replica.js';
import { openBench, type AgentBench } from '../support/agent-bench.js';
import { differences } from '../support/tree-compare.js';

let bench: AgentBench;
beforeEach(async () => {
  bench = openBench();
  mkdirSync(join(bench.root, 'sub'));
  writeFileSync(join(bench.root, 'sub', 'file'), 'x'.repeat(100_000));
  await bench.sync();
});
afterEach(() => {
  bench.close();
});

/** As the agent does when HELLO says `diverged`. */
async function adopt(): Promise<void> {
  const { point, chain } = bench.session.replica;
  await adoptReplica(bench.set.state, bench.session, {
    committed: { point, chain },
    slice: new TimeSlice(),
  });
}

function loseState(): void {
  bench.set.state.close();
  for (const suffix of ['', '-wal', '-shm']) {
    rmSync(join(bench.folder, `state.db${suffix}`), { force: true });
  }
  bench.set.state.close = () => undefined;
  bench.restart();
}

const expectKept = (): void => {
  expect(bench.session.replica.content(4).length + bench.session.replica.content(3).length).toBe(
    100_000,
  );
};

test('adoption: a root that is empty and of which nothing is known is not taken for deleted', async () => {
  loseState();
  await adopt();
  renameSync(bench.root, `${bench.root}-away`);
  mkdirSync(bench.root);
  await expect(bench.sync({ operation: 'reconcile', always: true })).rejects.toMatchObject({
    code: 'root-missing',
    facts: { root: 'root' },
  });
  expectKept();
  rmSync(bench.root, { recursive: true });
  renameSync(`${bench.root}-away`, bench.root);
  await bench.sync({ operation: 'reconcile', always: true });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  expect(bench.session.replica.literalBytes).toBe(0);
});

test('adoption: a root that is meant to be empty is, once any file says so', async () => {
  loseState();
  await adopt();
  rmSync(join(bench.root, 'sub'), { recursive: true });
  await expect(bench.sync()).rejects.toMatchObject({ code: 'root-missing' });
  writeFileSync(join(bench.root, 'meant'), '');
  await bench.sync();
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('adoption: files that became links to one, and links that became files, are told as such', async () => {
  const at = (name: string): string => join(bench.root, 'sub', name);
  for (const name of ['a', 'b', 'c']) writeFileSync(at(name), name.repeat(70_000));
  linkSync(at('c'), at('d'));
  await bench.sync();
  rmSync(at('b'));
  linkSync(at('a'), at('b'));
  rmSync(at('d'));
  writeFileSync(at('d'), 'd'.repeat(70_000));
  loseState();
  await adopt();
  await bench.sync({ operation: 'reconcile', always: true });
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
  await bench.sync();
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});

test('adoption: a root that was known keeps its file system, whatever else is forgotten', async (context) => {
  await adopt();
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'none', bench.root], { stdio: 'ignore' });
  } catch {
    context.skip('this user may not mount');
  }
  try {
    writeFileSync(join(bench.root, 'foreign'), 'y');
    await expect(bench.sync()).rejects.toMatchObject({ code: 'root-missing' });
    expectKept();
  } finally {
    execFileSync('umount', [bench.root]);
  }
  await bench.sync();
  expect(differences(bench.session.replica.state, { root: bench.root })).toEqual([]);
});
