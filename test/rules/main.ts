/**
 * Takes each rule out of a copy of the project, one at a time, and runs the test that holds it:
 *
 *   npm run test:rules -- [--only R7,R9]
 *
 * Prints what each test said, writes docs/rules.md, and fails when a test did not notice. Needs a
 * built project.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Removal } from './removal.js';
import { removals } from './removals.js';
import { mergeReport, type Row } from './report.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const REPORT = join(root, 'docs', 'rules.md');
const TEST_MS_MAX = 300_000;
const escapes = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

function copyProject(): string {
  const copy = mkdtempSync(join(tmpdir(), 'afterimage-rules-'));
  const listed = spawnSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root });
  for (const name of listed.stdout.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(copy, name)), { recursive: true });
    cpSync(join(root, name), join(copy, name), { force: true });
  }
  for (const name of ['dist', join('native', 'build')]) {
    cpSync(join(root, name), join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** What the test said without the rule, or undefined when it noticed nothing. */
function noticed(copy: string, removal: Removal): string | undefined {
  const path = join(copy, removal.file);
  const source = readFileSync(path, 'utf8');
  if (source.split(removal.find).length !== 2) {
    throw new Error(`${removal.rule}: what is to be taken out stands not once in ${removal.file}`);
  }
  writeFileSync(
    path,
    source.replace(removal.find, () => removal.put),
  );
  try {
    if (removal.built === true) build(copy);
    return failureOf(copy, removal);
  } finally {
    writeFileSync(path, source);
    if (removal.built === true) build(copy);
  }
}

function build(copy: string): void {
  // what a removal leaves unused is an error to the compiler, which emits all the same
  spawnSync('npx', ['tsc', '-b'], { cwd: copy, encoding: 'utf8' });
}

function failureOf(copy: string, { test, title, env }: Removal): string | undefined {
  const titled = title === undefined ? [] : ['-t', title];
  const { status, stdout, stderr } = spawnSync('npx', ['vitest', 'run', test, ...titled], {
    cwd: copy,
    encoding: 'utf8',
    timeout: TEST_MS_MAX,
    env: { ...process.env, ...env, CI: 'true' },
  });
  const said = `${stdout}${stderr}`.replace(escapes, '');
  if (status === 0) return undefined;
  if (status === null) return 'it did not end';
  if (!/Tests\s.*failed/.test(said))
    throw new Error(`${test} could not run:\n${said.slice(-2000)}`);
  const line = /^\s*((?:\w*Error|Error): .*)$/m.exec(said.slice(said.indexOf('Failed Tests')))?.[1];
  return (line ?? 'a test failed').slice(0, 160);
}

function main(): void {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  const only = values.only?.split(',');
  const chosen = removals.filter(({ rule }) => only?.includes(rule) ?? true);
  const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  });
  const copy = copyProject();
  const rows: Row[] = [];
  try {
    for (const removal of chosen) {
      const said = noticed(copy, removal);
      rows.push({ ...removal, said, commit: commit.stdout.trim() });
      console.log(`${removal.rule} without ${removal.without}: ${said ?? 'NOT NOTICED'}`);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  mergeReport(REPORT, rows);
  const missed = rows.filter(({ said }) => said === undefined);
  console.log(`${rows.length - missed.length} of ${rows.length} removals were noticed`);
  process.exitCode = missed.length === 0 ? 0 : 1;
}

main();
