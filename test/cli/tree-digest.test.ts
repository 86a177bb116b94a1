/** `npm start FOLDER`: what this user may not read is named, and the rest is compared. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const NOBODY = 65_534;
const compiled = new URL('../../dist/cli/sample/make-sample.js', import.meta.url).href;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-digest-'));
  chmodSync(folder, 0o755);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** The digest as a user without rights takes it. */
function digest(root: string): { digest: string; unreadable: string[]; closed: string[] } {
  const script = `
    import { treeDigest } from '${compiled}';
    const { digest, unreadable, closed } = treeDigest(${JSON.stringify(root)}, () => false);
    console.log(JSON.stringify({ digest, unreadable: [...unreadable], closed: [...closed] }));`;
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    ...user,
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as ReturnType<typeof digest>;
}

it('digest: unreadable files and folders are told and do not count', () => {
  const root = join(folder, 'tree');
  mkdirSync(join(root, 'closed'), { recursive: true });
  writeFileSync(join(root, 'closed', 'inside'), 'x');
  writeFileSync(join(root, 'open'), 'y');
  writeFileSync(join(root, 'secret'), 'z');
  const all = digest(root);
  expect([all.unreadable, all.closed]).toEqual([[], []]);
  chmodSync(join(root, 'secret'), 0);
  chmodSync(join(root, 'closed'), 0);
  const some = digest(root);
  expect([some.unreadable, some.closed]).toEqual([['secret'], ['closed']]);
  chmodSync(join(root, 'secret'), 0o644);
  writeFileSync(join(root, 'secret'), 'other');
  chmodSync(join(root, 'secret'), 0);
  expect(digest(root).digest).toBe(some.digest);
  writeFileSync(join(root, 'open'), 'changed');
  expect(digest(root).digest).not.toBe(some.digest);
});
