import { execFile } from 'node:child_process';
import http from 'node:http';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parsePropfind } from '../../../replica/serve/webdav/dav-xml.js';
import { TestReplica, TOKEN } from '../../cli/support/served-memory.js';

const run = promisify(execFile);
const basic = `Basic ${Buffer.from(`anybody:${TOKEN}`).toString('base64')}`;
/** Names that a careless server gets wrong; in latin1, so that each character is a byte. */
const hardNames = [
  'a&b',
  '<tag>',
  'per%cent',
  'two  blanks ',
  'quo"te',
  "ap'o",
  'hash#?',
  'nul\xff\xfe',
  '%41',
];

let replica: TestReplica;

beforeEach(async () => {
  replica = new TestReplica();
  replica.set.cut(
    (tree) => {
      tree.folder('app').file('app/a.txt', 'first').folder('app/empty');
      tree.symlink('app/link', 'a.txt').special('app/pipe', 'fifo');
      for (const name of hardNames) tree.file(`app/${name}`, `in ${name}`);
    },
    { timeMs: Date.UTC(2031, 0, 1, 10, 0, 0, 100) },
  );
  replica.set.cut((tree) => tree.file('app/a.txt', 'second'), {
    timeMs: Date.UTC(2031, 0, 1, 10, 0, 0, 700),
  });
  await replica.start();
});

afterEach(async () => {
  await replica.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** Without a client that tidies addresses up. */
function ask(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(replica.url);
    const length = body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const request = http.request(
      { hostname, port, method, path, headers: { authorization: basic, ...length, ...headers } },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString('latin1');
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const hrefsOf = ({ text }: Answer): string[] =>
  [...text.matchAll(/<D:href>([^<]*)<\/D:href>/g)].map(([, href = '']) => href);

test('webdav: sets, points by their times and folders are listed, with latest', async () => {
  const sets = await ask('PROPFIND', '/dav', { depth: '1' });
  expect([sets.status, hrefsOf(sets)]).toEqual([207, ['/dav/', '/dav/shop/']]);
  const points = await ask('PROPFIND', '/dav/shop', { depth: '1' });
  expect(hrefsOf(points)).toEqual([
    '/dav/shop/',
    '/dav/shop/2031-01-01T10%3A00%3A00Z/',
    '/dav/shop/2031-01-01T10%3A00%3A00Z-2/',
    '/dav/shop/latest/',
  ]);
  const folder = await ask('PROPFIND', '/dav/shop/latest/app', { depth: '1' });
  expect(hrefsOf(folder)).toHaveLength(1 + 2 + hardNames.length);
  expect(hrefsOf(folder)).toContain('/dav/shop/latest/app/empty/');
  expect(replica.set.openViews).toBe(0);
});

test('webdav: every listed address of a point gives its bytes, also of points within one second', async () => {
  const listed = hrefsOf(await ask('PROPFIND', '/dav/shop', { depth: '1' }));
  const contents = await Promise.all(
    listed.slice(1).map(async (href) => (await ask('GET', `${href}app/a.txt`)).text),
  );
  expect(contents).toEqual(['first', 'second', 'second']);
  expect((await ask('GET', '/dav/shop/1/app/a.txt')).text).toBe('first');
});

test('webdav: names with markup, blanks, percent signs and bytes that are no UTF-8 come and go', async () => {
  const folder = await ask('PROPFIND', '/dav/shop/1/app/', { depth: '1' });
  expect(folder.text).not.toContain('<tag>');
  const read = new Map<string, string>();
  for (const href of hrefsOf(folder).slice(1)) {
    if (href.endsWith('/')) continue;
    const name = Buffer.from(
      (href.split('/').at(-1) ?? '').replace(/%(..)/g, (_, hex: string) =>
        String.fromCharCode(parseInt(hex, 16)),
      ),
      'latin1',
    ).toString('latin1');
    read.set(name, (await ask('GET', href)).text);
  }
  expect([...read.keys()].sort()).toEqual([...hardNames, 'a.txt'].sort());
  for (const name of hardNames) expect(read.get(name)).toContain('in ');
});

test('webdav: whole trees are refused by the element that says so', async () => {
  for (const headers of [{ depth: 'infinity' }, {}]) {
    const { status, text } = await ask('PROPFIND', '/dav/shop/1', headers);
    expect([status, text.includes('<D:propfind-finite-depth/>')]).toEqual([403, true]);
  }
  expect(replica.set.openViews).toBe(0);
});

test('webdav: asked properties come apart into those that are there and those that are not', async () => {
  const body =
    '<?xml version="1.0"?><a:propfind xmlns:a="DAV:" xmlns:m="urn:mine"><a:prop><a:getcontentlength/><m:colour/><a:quota-used-bytes/></a:prop></a:propfind>';
  const { text } = await ask('PROPFIND', '/dav/shop/1/app/a.txt', { depth: '0' }, body);
  expect(text).toContain(
    '<D:getcontentlength>5</D:getcontentlength></D:prop><D:status>HTTP/1.1 200',
  );
  expect(text).toContain(
    '<x:colour xmlns:x="urn:mine"/><D:quota-used-bytes/></D:prop><D:status>HTTP/1.1 404',
  );
});

test('webdav: ranges, HEAD and conditions are those of the version', async () => {
  const path = '/dav/shop/1/app/a.txt';
  const whole = await ask('GET', path);
  const etag = String(whole.headers.etag);
  expect([whole.status, whole.text, whole.headers['accept-ranges']]).toEqual([
    200,
    'first',
    'bytes',
  ]);
  const part = await ask('GET', path, { range: 'bytes=1-2' });
  expect([part.status, part.text, part.headers['content-range']]).toEqual([
    206,
    'ir',
    'bytes 1-2/5',
  ]);
  expect((await ask('GET', path, { range: 'bytes=9-' })).status).toBe(416);
  expect((await ask('GET', path, { 'if-none-match': etag })).status).toBe(304);
  expect((await ask('GET', path, { 'if-match': '"other"' })).status).toBe(412);
  expect((await ask('GET', path, { range: 'bytes=0-0', 'if-range': '"other"' })).status).toBe(200);
  const head = await ask('HEAD', path);
  expect([head.headers['content-length'], head.text]).toEqual(['5', '']);
  expect((await ask('GET', '/dav/shop/2/app/a.txt')).headers.etag).not.toBe(etag);
  expect(replica.set.openViews).toBe(0);
});

test('webdav: nothing can be written, whatever the method', async () => {
  for (const method of ['PUT', 'DELETE', 'MKCOL', 'MOVE', 'COPY', 'PROPPATCH', 'LOCK', 'POST']) {
    const { status, headers } = await ask(method, '/dav/shop/1/app/a.txt', {}, 'x');
    expect([method, status, headers.allow]).toEqual([method, 405, 'OPTIONS, GET, HEAD, PROPFIND']);
  }
  expect((await ask('GET', '/dav/shop/1/app')).status).toBe(405);
  const { headers } = await ask('OPTIONS', '/dav/shop');
  expect([headers.dav, headers.allow]).toEqual(['1', 'OPTIONS, GET, HEAD, PROPFIND']);
});

test('webdav: without the token nothing is told, and nobody gets out of a point (R23)', async () => {
  const none = await ask('PROPFIND', '/dav/shop', { depth: '1', authorization: '' });
  expect([none.status, none.headers['www-authenticate']]).toEqual([
    401,
    'Basic realm="afterimage"',
  ]);
  for (const path of [
    '/dav/shop/1/../2/app/a.txt',
    '/dav/shop/1/app%2Fa.txt',
    '/dav/shop/1/%2e%2e/2',
  ]) {
    expect((await ask('GET', path)).status).toBe(400);
  }
  expect((await ask('GET', '/dav/other/1/a')).status).toBe(404);
});

test('webdav: a damaged file is an error and no wrong bytes', async () => {
  replica.set.damage(replica.set.tree(1).node('app/a.txt'), 0);
  const { status, text } = await ask('GET', '/dav/shop/1/app/a.txt');
  expect([status, text.includes('damaged')]).toEqual([500, true]);
  expect(replica.set.openViews).toBe(0);
});

test('webdav: bodies that are no PROPFIND are refused, document types above all', () => {
  for (const body of [
    '<!DOCTYPE x [<!ENTITY a "b">]><propfind xmlns="DAV:"/>',
    '<propfind xmlns="DAV:"><prop></propfind>',
    '<other xmlns="DAV:"/>',
    '<d:propfind/>',
    '<propfind xmlns="DAV:">',
  ]) {
    expect(() => parsePropfind(body), body).toThrow('PROPFIND');
  }
  expect(parsePropfind('<propfind xmlns="DAV:"><propname/></propfind>')).toEqual({ type: 'names' });
});

test('webdav: curl, a client that is not ours, lists and reads', async (context) => {
  const curl = (...args: string[]): Promise<{ stdout: string }> =>
    run('curl', ['-sS', '-u', `me:${TOKEN}`, ...args]);
  try {
    await run('curl', ['--version']);
  } catch {
    context.skip('curl is not installed');
  }
  const listed = await curl(
    '-X',
    'PROPFIND',
    '-H',
    'Depth: 1',
    `${replica.url}/dav/shop/latest/app/`,
  );
  expect(listed.stdout).toContain('<D:multistatus');
  const { stdout } = await curl('-r', '0-2', `${replica.url}/dav/shop/latest/app/a.txt`);
  expect(stdout).toBe('sec');
});

test('a body of PROPFIND as deep as it may be long: is refused at once', () => {
  const levels = 3000;
  const open = Array.from({ length: levels }, (_, at) => `<a xmlns:p${at}="n">`).join('');
  const startMs = performance.now();
  expect(() => parsePropfind(`${open}${'</a>'.repeat(levels)}`)).toThrow(/too deep/);
  expect(performance.now() - startMs).toBeLessThan(200);
});

test.each(['%00', 'a%00', '%5Cx00'])(
  'a name of a mount that no file can have, %s: is not there',
  async (name) => {
    const node = replica.set.tree(1).node('app');
    const answer = await replica.fetch(`/v1/sets/shop/points/1/nodes/${node}/entry?name=${name}`);
    expect(answer.status).toBe(404);
  },
);
