import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { BLOCK_BYTES } from '../../shared/limits.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { describeDisk, describeTree, removeFolder } from '../replica/support/disk-tree.js';
import { TestReplica, TOKEN } from './support/served-memory.js';

const posix = loadPosix();
const big = Buffer.concat([
  Buffer.alloc(BLOCK_BYTES, 1),
  Buffer.alloc(2 * BLOCK_BYTES),
  Buffer.from('the end'),
]);

let replica: TestReplica;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-cli-'));
  replica = new TestReplica();
  replica.set.cut((tree) =>
    tree
      .folder('app', { mode: 0o2755 })
      .folder('app/etc')
      .file('app/etc/shop.conf', 'port = 1')
      .file('app/big', big)
      .file('app/odd \xff\n', 'odd')
      .symlink('app/link', 'etc/shop.conf'),
  );
  replica.set.cut((tree) =>
    tree.file('app/etc/shop.conf', 'port = 22').remove('app/link').file('app/new', 'n'),
  );
  await replica.start();
});

afterEach(async () => {
  await replica.stop();
  removeFolder(posix, folder);
});

function jsonLines(out: string): Record<string, unknown>[] {
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('errors and exit codes', () => {
  it.each([
    [['points', 'other'], ExitCode.notFound, /there is no set "other"/],
    [['ls', 'shop@9'], ExitCode.notFound, /no point 9: points 1 to 2 exist/],
    [['ls', 'shop@soon'], ExitCode.usage, /is no point/],
    [['ls', 'shop'], ExitCode.usage, /is not SET@POINT/],
    [['ls', 'shop@1', 'app/none'], ExitCode.notFound, /is not in point 1/],
    [['cat', 'shop@1', 'app'], ExitCode.usage, /app is a folder/],
    [['cat', 'shop@1', 'app/big', '--range', '9-2'], ExitCode.usage, /first-last/],
    [['restore', 'shop@1'], ExitCode.usage, /--to FOLDER, or --in-place/],
    [['restore', 'shop@1', '/elsewhere/x', '--in-place'], ExitCode.notFound, /lies in no root/],
    [['diff', 'shop@1', 'other@2'], ExitCode.usage, /different sets/],
    [['find', 'x', '--between', '1'], ExitCode.usage, /takes two points/],
    [['stauts'], ExitCode.usage, /unknown command 'stauts'/],
    [['points'], ExitCode.usage, /missing required argument/],
    [['points', 'shop', '--nonsense'], ExitCode.usage, /unknown option/],
  ])('%j: exits with %i and says why, then what to do', async (argv, code, message) => {
    const run = await replica.run(argv);
    expect(run.err).toMatch(message);
    expect(run.code).toBe(code);
    expect(run.out).toBe('');
    expect(run.err.trimEnd().split('\n').length).toBeGreaterThanOrEqual(2);
  });

  it('--json: an error is one object', async () => {
    const run = await replica.run(['points', 'other', '--json']);
    expect(JSON.parse(run.err)).toMatchObject({
      error: { code: 'not-found', kind: 'operator', facts: { set: 'other' } },
    });
  });

  it('no replica there: is unavailable, with the URL', async () => {
    const run = await replica.run(['status', '--url', 'http://127.0.0.1:9']);
    expect(run.code).toBe(ExitCode.unavailable);
    expect(run.err).toMatch(/no replica answers at http:\/\/127.0.0.1:9: ECONNREFUSED/);
  });

  it('another program there: is not a crash', async () => {
    const run = await replica.run(['status', '--url', `${replica.url}/elsewhere`]);
    expect(run.code).toBe(ExitCode.notFound);
  });

  it('Ctrl-C: cancels what is under way', async () => {
    const controller = new AbortController();
    replica.served.onAsk = () => {
      controller.abort();
      return Promise.resolve();
    };
    const run = await replica.run(['sync', 'shop', '--wait'], { signal: controller.signal });
    expect(run.err).toMatch(/cancelled/);
    expect(run.code).toBe(new AfterimageError('cancelled', '').exit);
  });

  it('--help of every verb and --version: print and succeed', async () => {
    const help = await replica.run(['--help']);
    expect(help.code).toBe(ExitCode.ok);
    const verbs = [...help.out.matchAll(/^ {2}([a-z]+) .*$/gm)].map((match) => match[1] ?? '');
    expect(verbs.length).toBeGreaterThanOrEqual(10);
    for (const verb of verbs) {
      const run = await replica.run([verb, '--help']);
      expect(run.code).toBe(ExitCode.ok);
      expect(run.out).toMatch(/--json/);
    }
    const version = await replica.run(['--version']);
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('finding the replica', () => {
  it('without options: takes URL and token that the replica left in its data folder', async () => {
    mkdirSync(join(folder, 'afterimage-data'));
    writeFileSync(join(folder, 'afterimage-data/url'), `${replica.url}\n`);
    writeFileSync(join(folder, 'afterimage-data/token'), `${TOKEN}\n`);
    expect((await replica.run(['status'], { env: {}, folder })).code).toBe(ExitCode.ok);
    const elsewhere = { AFTERIMAGE_DATA: join(folder, 'afterimage-data') };
    expect((await replica.run(['status'], { env: elsewhere, folder: '/' })).code).toBe(ExitCode.ok);
  });

  it('--token-file: comes before the environment', async () => {
    writeFileSync(join(folder, 'token'), 'wrong');
    const run = await replica.run(['status', '--token-file', join(folder, 'token')]);
    expect(run.err).toMatch(/no valid token/);
    expect(run.code).toBe(ExitCode.unavailable);
  });

  it('no token anywhere: says where it was looked for', async () => {
    const run = await replica.run(['status'], { env: {}, folder });
    expect(run.err).toContain(join(folder, 'afterimage-data/token'));
  });
});

describe('looking', () => {
  it('status: names the set, its agent and its newest point', async () => {
    const { out, code } = await replica.run(['status']);
    expect(code).toBe(ExitCode.ok);
    expect(out).toMatch(/^shop +idle +app-1 \(connected\) +2 +2031-01-02/m);
    const [json] = jsonLines((await replica.run(['status', '--json'])).out);
    expect(json).toMatchObject({ version: '1.2.3', sets: [{ set: 'shop' }] });
  });

  it('points: a row each; one in full', async () => {
    const { out } = await replica.run(['points', 'shop']);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
    const detail = await replica.run(['points', 'shop@latest~1']);
    expect(detail.out).toMatch(/^point +shop@1 of 2031-01-01/m);
    expect(detail.out).toMatch(/^root app +\/srv\/app$/m);
  });

  it('ls: entries with mode, owner, size and where links point', async () => {
    const { out } = await replica.run(['ls', 'shop@1', 'app']);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/\s+/g, ' ')),
    ).toEqual([
      expect.stringMatching(/^-rw-r--r-- 0:0 192 KiB .* big$/),
      expect.stringMatching(/^drwxr-xr-x 0:0 - .* etc\/$/),
      expect.stringMatching(/^lrwxrwxrwx 0:0 - .* link -> etc\/shop.conf$/),
      expect.stringMatching(/^-rw-r--r-- 0:0 3 B .* odd \\xff\\x0a$/),
    ]);
    const one = await replica.run(['ls', 'shop@1', '/srv/app/etc/shop.conf', '--json']);
    expect(jsonLines(one.out)).toMatchObject([{ name: 'app/etc/shop.conf', size: 8 }]);
  });

  it.each([
    [[], big],
    [['--range', '65530-65541'], big.subarray(65530, 65542)],
    [['--range', '196608-'], Buffer.from('the end')],
    [['--range', '-3'], Buffer.from('end')],
    [['--range', '999999-'], Buffer.alloc(0)],
  ])('cat %j: prints exactly these bytes', async (options, expected) => {
    const { bytes, code } = await replica.run(['cat', 'shop@latest', 'app/big', ...options]);
    expect(code).toBe(ExitCode.ok);
    expect(bytes.equals(expected)).toBe(true);
  });

  it('cat of a damaged block: exits with 5', async () => {
    replica.set.damage(replica.set.tree(2).node('app/big'), 0);
    const run = await replica.run(['cat', 'shop@latest', 'app/big']);
    expect(run.code).toBe(ExitCode.damaged);
    const beside = await replica.run(['cat', 'shop@latest', 'app/big', '--range', '65536-65537']);
    expect(beside.bytes.equals(Buffer.alloc(2))).toBe(true);
  });

  it('find: versions with the points at which they stood', async () => {
    const { out } = await replica.run(['find', '*.conf']);
    expect(out).toMatch(/^1 +file +8 B .* app\/etc\/shop.conf$/m);
    expect(out).toMatch(/^2 to now +file +9 B .* app\/etc\/shop.conf$/m);
    const narrowed = await replica.run([
      'find',
      '*.conf',
      '--set',
      'shop',
      '--between',
      '1',
      'latest~1',
      '--json',
    ]);
    expect(jsonLines(narrowed.out)).toMatchObject([{ set: 'shop', from: 1, to: 1, live: false }]);
  });

  it('diff: a line each change, exit 1; equal points, exit 0', async () => {
    const run = await replica.run(['diff', 'shop@1', 'shop@latest']);
    expect(run.out.trimEnd().split('\n').sort()).toEqual([
      '+ app/new  1 B',
      '- app/link',
      'M app/etc/shop.conf  8 B -> 9 B',
    ]);
    expect(run.code).toBe(ExitCode.mismatch);
    expect((await replica.run(['diff', 'shop@2', 'shop@2'])).code).toBe(ExitCode.ok);
  });
});

describe('doing', () => {
  it('sync --wait: prints the point that it became', async () => {
    replica.served.onAsk = (request) => {
      setImmediate(() => {
        replica.served.commit(request);
      });
      return Promise.resolve();
    };
    const run = await replica.run(['sync', 'shop', '--wait']);
    expect(run.out).toMatch(/^shop@3 of 2031-01-03/);
    expect((await replica.run(['sync', 'shop'])).out).toMatch(/asked the agent/);
  });

  it('sync --wait: names what could not be read, and points say how many and what was healed', async () => {
    replica.served.onAsk = (request) => {
      setImmediate(() => {
        const { outcome } = replica.set.cut(() => undefined);
        outcome.unreadable.push(...Array.from({ length: 12 }, (_, n) => `app/secret-${n}`));
        outcome.healed = 'agent-state-lost';
        replica.served.answer(request);
      });
      return Promise.resolve();
    };
    const run = await replica.run(['sync', 'shop', '--wait']);
    expect(run.out).toMatch(/, healed: agent-state-lost$/m);
    expect(run.err).toMatch(/12 could not be read.*\n {2}app\/secret-0\n/);
    expect(run.err).toMatch(/and 2 more/);
    const points = await replica.run(['points', 'shop']);
    expect(points.out).toMatch(/healed: agent-state-lost, 12 unreadable$/m);
  });

  it('verify: exits with 0 when all is good, with 5 and the place when not', async () => {
    const good = await replica.run(['verify', '--data']);
    expect(good.out).toMatch(/^shop: 2 points, .* read: all good$/m);
    expect(good.code).toBe(ExitCode.ok);
    replica.set.damage(replica.set.tree(1).node('app/big'), 3);
    const bad = await replica.run(['verify', 'shop', '--data', '--json']);
    expect(bad.code).toBe(ExitCode.damaged);
    const findings = jsonLines(bad.out).filter(({ type }) => type === 'finding');
    expect(findings.map(({ point, path, block }) => ({ point, path, block }))).toEqual([
      { point: 2, path: 'app/big', block: 3 },
      { point: 1, path: 'app/big', block: 3 },
    ]);
  });

  it('restore --to: brings everything back, byte for byte, over HTTP', async () => {
    const target = join(folder, 'target');
    const run = await replica.run(['restore', 'shop@1', '--to', target]);
    expect(run.err).toBe('');
    expect(run.code).toBe(ExitCode.ok);
    expect(describeDisk(posix, target)).toEqual(describeTree(replica.set.tree(1)));
    const again = await replica.run(['restore', 'shop@2', '--to', target]);
    expect(again.code).toBe(ExitCode.usage);
    expect(again.err).toMatch(/is not empty/);
    const inPlace = await replica.run([
      'restore',
      'shop@2',
      '--to',
      target,
      '--in-place',
      '--delete',
      '--json',
    ]);
    expect(jsonLines(inPlace.out)).toMatchObject([
      {
        type: 'restored',
        point: 2,
        actions: { create: 1, rewrite: 1, delete: 1 },
        bytesWritten: 10,
      },
    ]);
    expect(describeDisk(posix, target)).toEqual(describeTree(replica.set.tree(2)));
  });

  it('restore --dry-run: lists what would be done and writes nothing', async () => {
    const target = join(folder, 'target');
    const run = await replica.run([
      'restore',
      'shop@1',
      '--to',
      target,
      '--dry-run',
      '/srv/app/etc',
    ]);
    expect(run.out).toMatch(/^create {3}app\/etc\/shop.conf {2}8 B$/m);
    expect(run.out).toMatch(/nothing was written/);
    expect(() => readFileSync(target)).toThrow(/ENOENT/);
  });

  it('restore with a damaged file: restores the others and exits with 5', async () => {
    replica.set.damage(replica.set.tree(2).node('app/etc/shop.conf'), 0);
    const target = join(folder, 'target');
    const run = await replica.run(['restore', 'shop@latest', '--to', target]);
    expect(run.code).toBe(ExitCode.damaged);
    expect(run.err).toMatch(/^not restored: app\/etc\/shop.conf: /m);
    expect(readFileSync(join(target, 'app/big')).equals(big)).toBe(true);
  });

  it('restore while the replica goes away: says so and leaves nothing half under its name', async () => {
    const content = Buffer.alloc(1024 * 1024);
    content.fill(1, BLOCK_BYTES, 2 * BLOCK_BYTES);
    replica.set.cut((tree) => {
      for (let index = 0; index < 200; index += 1) tree.file(`app/${index}`, content);
    });
    const target = join(folder, 'target');
    let reads = 0;
    replica.set.onRead = () => {
      reads += 1;
      if (reads === 100) void replica.stop();
    };
    const run = await replica.run(['restore', 'shop@latest', '--to', target]);
    expect(run.code).toBe(ExitCode.unavailable);
    const whole = describeTree(replica.set.tree(3));
    for (const [path, found] of Object.entries(describeDisk(posix, target))) {
      if (found.kind === 'file') expect(found.content).toBe(whole[path]?.content);
    }
  });
});
