import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPromise } from 'yauzl';
import { problemSchema } from '../../../shared/api/problem.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { TestReplica } from '../../cli/support/served-memory.js';
import { Seeded } from '../../support/seeded.js';

let replica: TestReplica;
let folder: string;

const random = new Seeded(7);
const big = random.bytes(3 * BLOCK_BYTES + 17);
const text = Buffer.from('the same line again\n'.repeat(120_000));
const deep = `app/${Array.from({ length: 12 }, (_, at) => `folder with a long name ${at}`).join('/')}`;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-download-'));
  replica = new TestReplica();
  replica.set.cut((tree) => {
    tree
      .folder('app', { mode: 0o750 })
      .folder('app/empty', { mode: 0o711 })
      .file('app/a.txt', 'alpha\n', { mode: 0o640, mtimeNs: 1_700_000_000_987_654_321n })
      .file('app/big', big)
      .file('app/text', text)
      .file('app/nothing', '')
      .file('app/caf\xe9', 'latin1 name')
      .file(`app/${Buffer.from('grüße ☃').toString('latin1')}`, 'utf-8 name')
      .file('app/new\nline', 'odd')
      .file('app/old', 'before the epoch', { mtimeNs: -1_500_000_000n })
      .link('app/hard', 'app/a.txt')
      .symlink('app/soft', 'a.txt')
      .symlink('app/far', `/${'x'.repeat(300)}`)
      .special('app/pipe', 'fifo')
      .special('app/plug', 'socket');
    let path = 'app';
    for (const name of deep.split('/').slice(1)) tree.folder((path = `${path}/${name}`));
    tree.file(`${deep}/${'n'.repeat(200)}`, 'deep');
    tree.folder('odd').file(`odd/${'\xff'.repeat(150)}`, 'long and not UTF-8');
  });
  await replica.start();
});

afterEach(async () => {
  await replica.stop();
  rmSync(folder, { recursive: true, force: true });
});

const base = '/v1/sets/shop/points/latest/download';

async function saved(query: string): Promise<string> {
  const response = await replica.fetch(`${base}?${query}`);
  expect(response.status).toBe(200);
  const file = join(folder, 'saved');
  writeFileSync(file, Buffer.from(await response.arrayBuffer()));
  expect(replica.set.openViews).toBe(0);
  return file;
}

function names(at: string): string[] {
  return (readdirSync(Buffer.from(at), { encoding: 'buffer' }) as Buffer[])
    .map((name) => name.toString('latin1'))
    .sort();
}

function unpack(command: string, args: readonly string[]): string {
  const into = mkdtempSync(join(folder, 'out-'));
  const { status, stderr } = spawnSync(command, [...args], { cwd: into });
  expect([status, stderr.toString()]).toEqual([0, '']);
  return into;
}

describe('a folder as a tar file', () => {
  it('unpacked by tar: names as bytes, contents, modes, times and links are those of the point', async () => {
    const out = unpack('tar', [
      '--warning=no-timestamp',
      '-xpf',
      await saved('path=app&format=tar'),
    ]);
    const app = join(out, 'app');
    const expected = replica.set
      .tree(1)
      .list(replica.set.tree(1).node('app'))
      .map(({ name }) => name.toString('latin1'))
      .filter((name) => name !== 'plug');
    expect(names(app)).toEqual(expected.sort());
    expect(readFileSync(join(app, 'big')).equals(big)).toBe(true);
    expect(readFileSync(join(app, 'text')).equals(text)).toBe(true);
    expect(readFileSync(Buffer.from(`${app}/caf\xe9`, 'latin1')).toString()).toBe('latin1 name');
    expect(readFileSync(join(app, 'grüße ☃')).toString()).toBe('utf-8 name');
    expect(readFileSync(join(out, deep, 'n'.repeat(200))).toString()).toBe('deep');
    const first = lstatSync(join(app, 'a.txt'), { bigint: true });
    expect(first.mtimeNs).toBe(1_700_000_000_987_654_321n);
    expect(first.mode & 0o7777n).toBe(0o640n);
    expect(lstatSync(join(app, 'hard'), { bigint: true }).ino).toBe(first.ino);
    expect(lstatSync(join(app, 'old'), { bigint: true }).mtimeNs).toBe(-1_500_000_000n);
    expect(readlinkSync(join(app, 'soft'))).toBe('a.txt');
    expect(readlinkSync(join(app, 'far'))).toBe(`/${'x'.repeat(300)}`);
    expect(lstatSync(join(app, 'pipe')).isFIFO()).toBe(true);
    expect(lstatSync(join(app, 'empty')).mode & 0o7777).toBe(0o711);
  });

  it('a long name that is not UTF-8: stays its bytes', async () => {
    const tar = ['--warning=no-timestamp', '--warning=no-unknown-keyword', '-xf'];
    const out = unpack('tar', [...tar, await saved('path=odd&format=tar')]);
    expect(names(join(out, 'odd'))).toEqual(['\xff'.repeat(150)]);
  });

  it('several paths: are named from the root of the set, and nothing else is in it', async () => {
    const file = await saved('path=app/a.txt&path=app/empty&format=tar');
    const { stdout } = spawnSync('tar', ['-tf', file]);
    expect(stdout.toString().split('\n')).toEqual(['app/', 'app/a.txt', 'app/empty/', '']);
  });

  it('a damaged block: breaks the connection off, so that no archive is short in silence (promise 2)', async () => {
    replica.set.damage(replica.set.tree(1).node('app/text'), 20);
    const response = await replica.fetch(`${base}?path=app&format=tar`);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow();
    await expect.poll(() => replica.set.openViews).toBe(0);
  });
});

describe('a folder as a zip file', () => {
  it('read by yauzl: names, contents, modes and links are those of the point', async () => {
    const file = await saved('path=app&format=zip');
    const zip = await openPromise(file, { decodeStrings: false, autoClose: false });
    const found = new Map<string, Buffer>();
    const modes = new Map<string, number>();
    for await (const entry of zip.eachEntry()) {
      const name = (entry.fileName as unknown as Buffer).toString('latin1');
      modes.set(name, entry.externalFileAttributes >>> 16);
      const stream = await zip.openReadStreamPromise(entry, {});
      const pieces: Buffer[] = [];
      for await (const piece of stream) pieces.push(piece as Buffer);
      found.set(name, Buffer.concat(pieces));
    }
    zip.close();
    expect(found.get('app/big')?.equals(big)).toBe(true);
    expect(found.get('app/text')?.equals(text)).toBe(true);
    expect(found.get('app/hard')?.toString()).toBe('alpha\n');
    expect(found.get('app/caf\xe9')?.toString()).toBe('latin1 name');
    expect(found.get('app/soft')?.toString()).toBe('a.txt');
    expect(found.get(`${deep}/${'n'.repeat(200)}`)?.toString()).toBe('deep');
    expect(modes.get('app/soft')).toBe(0o120777);
    expect(modes.get('app/a.txt')).toBe(0o100640);
    expect(modes.get('app/empty/')).toBe(0o040711);
    expect(String(zip.comment as unknown)).toMatch(/^2 pipes/);
  });

  it('with a path that zip has no room for: has all others, and says that it lacks some', async () => {
    replica.set.cut((tree) => {
      tree.folder('deep').file('deep/z', 'after it');
      let path = 'deep';
      for (let level = 0; level < 270; level += 1) {
        path += `/${'d'.repeat(250)}`;
        tree.folder(path);
      }
    });
    const response = await replica.fetch(
      '/v1/sets/shop/points/latest/download?path=deep&format=zip',
    );
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.includes('after it')).toBe(true);
    expect(bytes.toString('latin1')).toMatch(/\d+ pipes, devices, sockets and paths of 64 KiB are/);
  });

  it('unpacked by unzip: is whole, and smaller where that is possible', async () => {
    const file = await saved('path=app/text&path=app/big&path=app/a.txt&format=zip');
    expect(lstatSync(file).size).toBeLessThan(big.length + text.length / 4);
    const { status, stdout } = spawnSync('unzip', ['-tq', file]);
    expect([status, stdout.toString()]).toEqual([0, expect.stringMatching(/^No errors/)]);
  });

  it('a damaged block of a large file: breaks the connection off (promise 2)', async () => {
    replica.set.damage(replica.set.tree(1).node('app/text'), 20);
    const response = await replica.fetch(`${base}?path=app&format=zip`);
    await expect(response.arrayBuffer()).rejects.toThrow();
    await expect.poll(() => replica.set.openViews).toBe(0);
  });
});

describe('a file as it is', () => {
  const path = `path=${encodeURIComponent('app/big')}`;

  it('is saved under its name, whatever it is called', async () => {
    const response = await replica.fetch(`${base}?path=${encodeURIComponent('app/grüße ☃')}`);
    expect(await response.text()).toBe('utf-8 name');
    expect(response.headers.get('content-type')).toBe('application/octet-stream');
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="gr__e _"; filename*=UTF-8''gr%C3%BC%C3%9Fe%20%E2%98%83`,
    );
  });

  it.each([
    ['bytes=0-9', 206, 'bytes 0-9/', big.subarray(0, 10)],
    [
      `bytes=${BLOCK_BYTES - 3}-${BLOCK_BYTES + 3}`,
      206,
      'bytes 65533-65539/',
      big.subarray(BLOCK_BYTES - 3, BLOCK_BYTES + 4),
    ],
    ['bytes=-5', 206, `bytes ${big.length - 5}-`, big.subarray(-5)],
    ['bytes=0-1,5-6', 200, '', big],
  ])('range %s: is answered %i', async (range, status, contentRange, bytes) => {
    const response = await replica.fetch(`${base}?${path}`, { headers: { range } });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-range') ?? '').toContain(contentRange);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it('a range outside: is 416 and says how long the file is', async () => {
    const headers = { range: `bytes=${big.length}-` };
    const response = await replica.fetch(`${base}?${path}`, { headers });
    expect([response.status, response.headers.get('content-range')]).toEqual([
      416,
      `bytes */${big.length}`,
    ]);
    expect(replica.set.openViews).toBe(0);
  });

  it('HEAD, and what the client has already: cost no content', async () => {
    const head = await replica.fetch(`${base}?${path}`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(big.length)]);
    const etag = head.headers.get('etag') ?? '';
    const same = await replica.fetch(`${base}?${path}`, { headers: { 'if-none-match': etag } });
    expect([same.status, await same.text()]).toEqual([304, '']);
    const ranged = { range: 'bytes=0-0', 'if-range': '"other"' };
    expect((await replica.fetch(`${base}?${path}`, { headers: ranged })).status).toBe(200);
    expect(replica.set.openViews).toBe(0);
  });

  it('another version of the file: has another ETag', async () => {
    const before = await replica.fetch(`${base}?${path}`, { method: 'HEAD' });
    replica.set.cut((tree) =>
      tree.file('app/big', Buffer.concat([big.subarray(0, -1), Buffer.from('x')])),
    );
    const after = await replica.fetch(`${base}?${path}`, { method: 'HEAD' });
    expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'));
  });

  it.each([
    ['path=app&format=raw', 400, 'argument-invalid'],
    ['format=raw', 400, 'argument-invalid'],
    ['path=app/none', 404, 'not-found'],
    ['path=app/none&path=app&format=zip', 404, 'not-found'],
    ['path=app/big&inline=preview', 415, 'preview-refused'],
  ])('%s: is a problem', async (query, status, code) => {
    const response = await replica.fetch(`${base}?${query}`);
    expect(response.status).toBe(status);
    expect(problemSchema.parse(await response.json()).code).toBe(code);
    expect(replica.set.openViews).toBe(0);
  });
});

describe('a preview', () => {
  beforeEach(() => {
    replica.set.cut((tree) =>
      tree
        .file('app/page.html', '<script>alert(1)</script>')
        .file('app/photo.txt', Buffer.from('\x89PNG\r\n\x1a\nrest', 'latin1'))
        .file('app/latin', Buffer.from('caf\xe9', 'latin1'))
        .file('app/long', 'ü'.repeat(5000)),
    );
  });

  it.each([
    ['page.html', 'text/plain; charset=utf-8'],
    ['photo.txt', 'image/png'],
    ['latin', 'text/plain; charset=iso-8859-1'],
    ['long', 'text/plain; charset=utf-8'],
  ])('%s: is %s, by its bytes, and may run nothing', async (name, type) => {
    const response = await replica.fetch(`${base}?path=app/${name}&inline=preview`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(type);
    expect(response.headers.get('content-disposition')).toMatch(/^inline/);
    expect(response.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    await response.arrayBuffer();
  });
});
