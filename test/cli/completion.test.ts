/** Completions and the manual page say what the command line itself says. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { completionScript, shells } from '../../cli/completion.js';
import { manPage } from '../../cli/man-page.js';
import { createProgram, verbNames } from '../../cli/program.js';

const program = await createProgram(
  {
    env: {},
    folder: '/',
    out: () => Promise.resolve(),
    outClosed: false,
    err: () => undefined,
    errIsTerminal: false,
    columns: 100,
    signal: new AbortController().signal,
  },
  verbNames,
  () => Promise.resolve(),
);

/** What bash offers after these words, the last of which is being typed. */
function offered(...words: readonly string[]): readonly string[] {
  const typed = words.map((word) => `'${word}'`).join(' ');
  const script = `${completionScript(program, 'bash')}
COMP_WORDS=(afterimage ${typed}); COMP_CWORD=${words.length}
_afterimage
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8', cwd: '/' }).trim().split('\n');
}

test('bash: offers verbs, their subverbs and options, and files for what takes a value', () => {
  expect(offered('')).toEqual(expect.arrayContaining([...verbNames]));
  expect(offered('res')).toEqual(['restore']);
  expect(offered('certificate', '')).toEqual(expect.arrayContaining(['show', 'export', 'verify']));
  expect(offered('restore', 'shop@latest', '--in')).toEqual(['--in-place']);
  expect(offered('certificate', 'verify', '--u')).toEqual(['--url']);
  expect(offered('agent', '--config', 'et')).toContain('etc');
});

test.each(shells)('%s: the script is one that the shell reads', (shell) => {
  const file = path.join(os.tmpdir(), `afterimage-completion-${process.pid}.${shell}`);
  const script = completionScript(program, shell);
  for (const name of verbNames) expect(script).toContain(name);
  if (spawnSync('which', [shell]).status !== 0) return;
  fs.writeFileSync(file, script);
  try {
    execFileSync(shell, ['-n', file]);
  } finally {
    fs.rmSync(file);
  }
});

test('manual page: has every verb, and nothing that man complains of', (context) => {
  const page = manPage({ program, version: '1.2.3' });
  for (const name of verbNames) expect(page).toMatch(new RegExp(`^\\.SS "${name}`, 'm'));
  if (spawnSync('which', ['man']).status !== 0) context.skip('man is not installed');
  const shown = spawnSync('man', ['--warnings', '-l', '-'], { input: page, encoding: 'utf8' });
  expect(shown.stderr).toBe('');
  expect(shown.stdout.replace(/.[\b]/g, '')).toContain('--in-place');
});
