/** The Debian package: built, installed where nobody else sees it, used, and removed. */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadAddon } from '../../shared/posix/load-addon.js';

const project = fileURLToPath(new URL('../../', import.meta.url));

test('package: installs, does the main job with what it carries, keeps what was configured when upgraded, and leaves nothing but the copies when purged', (context) => {
  const missing = whatIsMissing();
  if (missing !== undefined) context.skip(missing);
  const said = execFileSync(process.execPath, ['packaging/build.js', '--quick'], {
    cwd: project,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const file = path.join(project, said.trim());
  expect(textOf(file, 'copyright').includes('libipsec-mb')).toBe(linkedLibrary() !== '');
  expect(execFileSync('dpkg-deb', ['-f', file, 'Depends'], { encoding: 'utf8' })).not.toMatch(
    /ipsec/i,
  );
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-package-'));
  try {
    const script = path.join(project, 'test', 'packaging', 'installed.sh');
    const run = spawnSync(
      'unshare',
      ['--mount', '--pid', '--fork', '--kill-child', 'sh', script, file, scratch],
      { encoding: 'utf8' },
    );
    expect(`${run.stdout}${run.stderr}`.trim().split('\n')).toEqual([
      'version 0.1.0',
      'user afterimage',
      'configurations 750:root:afterimage',
      'units good',
      'manual good',
      'completion good',
      'job done',
      'keys told',
      'kept 700 # mine',
      'removed 3 configured 0 enabled',
      'left 0',
      'copies point',
    ]);
  } finally {
    fs.rmdirSync(scratch);
  }
}, 180_000);

/** A text of the package's documentation. */
function textOf(file: string, name: string): string {
  const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', file], { maxBuffer: 2 ** 30 });
  return execFileSync('tar', ['-xO', `./usr/share/doc/afterimage/${name}`], {
    input: tar,
    encoding: 'utf8',
  });
}

/** What is linked into the addon, whose licence is told; empty for nothing. */
function linkedLibrary(): string {
  const addon = loadAddon();
  const linked = 'exports' in addon && 'linked' in addon.exports ? addon.exports.linked : '';
  return typeof linked === 'string' ? linked : '';
}

function whatIsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can install a package';
  for (const program of [
    'dpkg-deb',
    'dpkg-shlibdeps',
    'strip',
    'unshare',
    'man',
    'systemd-analyze',
  ]) {
    if (spawnSync('which', [program]).status !== 0) return `${program} is not installed`;
  }
  return undefined;
}
