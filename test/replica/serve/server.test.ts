import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeContent, type ContentFrame } from '../../../shared/api/content.js';
import { problemSchema } from '../../../shared/api/problem.js';
import { listSchema, statSchema, walkLineSchema } from '../../../shared/api/tree.js';
import { pointDetailSchema, pointsSchema } from '../../../shared/api/points.js';
import { statusSchema } from '../../../shared/api/status.js';
import { AfterimageError } from '../../../shared/errors.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import { TestReplica } from '../../cli/support/served-memory.js';

let replica: TestReplica;

beforeEach(async () => {
  replica = new TestReplica();
  replica.set.cut((tree) =>
    tree
      .folder('app')
      .folder('app/empty')
      .file('app/a', 'alpha')
      .file(
        'app/b',
        Buffer.concat([
          Buffer.alloc(BLOCK_BYTES, 1),
          Buffer.alloc(3 * BLOCK_BYTES),
          Buffer.from('end'),
        ]),
      )
      .file('app/c \xff', 'gamma'),
  );
  replica.set.cut((tree) => tree.file('app/a', 'alpha two').remove('app/empty'));
  await replica.start();
});

afterEach(async () => {
  await replica.stop();
});

async function problemOf(response: Response): Promise<{ code: string; status: number }> {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const { code, status } = problemSchema.parse(await response.json());
  expect(status).toBe(response.status);
  return { code, status };
}

async function linesOf(response: Response): Promise<{ type: string }[]> {
  expect(response.status).toBe(200);
  const text = await response.text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string });
}

describe('who may ask', () => {
  it.each(['', 'Bearer', 'Bearer wrong', `Basic ${'x'.repeat(43)}`, `Bearer ${'x'.repeat(42)}`])(
    'authorization %j: is refused',
    async (authorization) => {
      const response = await fetch(`${replica.url}/v1/status`, { headers: { authorization } });
      expect(await problemOf(response)).toEqual({ code: 'unauthorised', status: 401 });
    },
  );

  it('the health check: needs no token', async () => {
    const response = await fetch(`${replica.url}/v1/health`);
    expect(await response.json()).toEqual({ status: 'ok' });
  });
});

describe('what is asked wrongly', () => {
  it.each([
    ['/v1/nothing', 'not-found'],
    ['/v1/sets/other/points', 'not-found'],
    ['/v1/sets/shop/points/9', 'not-found'],
    ['/v1/sets/shop/points/soon', 'argument-invalid'],
    ['/v1/sets/shop/points/1/stat?path=app/none', 'not-found'],
    ['/v1/sets/shop/points/1/stat?path=app%5Cx', 'argument-invalid'],
    ['/v1/sets/shop/points/1/ls?path=app/a', 'argument-invalid'],
    ['/v1/sets/shop/points/1/ls?limit=0', 'argument-invalid'],
    ['/v1/sets/shop/points/1/file?path=app', 'argument-invalid'],
    ['/v1/sets/shop/points/1/walk?path=app/none', 'not-found'],
    ['/v1/sets/shop/points/1/digests/1?count=1', 'not-found'],
    ['/v1/sets/shop/find', 'argument-invalid'],
    ['/v1/sets/shop/diff?from=2&to=1', 'argument-invalid'],
  ])('%s: is a problem of code %s', async (path, code) => {
    const response = await replica.fetch(path);
    expect((await problemOf(response)).code).toBe(code);
    expect(replica.set.openViews).toBe(0);
  });

  it('a body that is too large or not JSON: is refused', async () => {
    const send = (body: string): Promise<Response> =>
      replica.fetch('/v1/sets/shop/sync', {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      });
    expect((await problemOf(await send('x'.repeat(100_000)))).code).toBe('argument-invalid');
    expect((await problemOf(await send('{'))).code).toBe('argument-invalid');
  });
});

describe('what exists', () => {
  it('status: names state, newest point and space of every set', async () => {
    replica.served.now = {
      ...replica.served.now,
      state: 'stalled',
      error: new AfterimageError('storage-full', 'no room'),
    };
    const status = statusSchema.parse(await (await replica.fetch('/v1/status')).json());
    expect(status.sets).toMatchObject([
      {
        set: 'shop',
        agent: 'app-1',
        agentConnected: true,
        state: 'stalled',
        error: { code: 'storage-full', message: 'no room' },
        newest: { point: 2, consistency: 'application' },
        points: 2,
        space: { packBytes: 2 },
      },
    ]);
  });

  it('points: newest last, the older ones left out by a limit', async () => {
    const answer = await replica.fetch('/v1/sets/shop/points?limit=1');
    const { points, leftOut } = pointsSchema.parse(await answer.json());
    expect(points.map(({ point }) => point)).toEqual([2]);
    expect(leftOut).toBe(1);
  });

  it.each(['2', 'latest', 'latest~0', '2031-06-01T00:00:00Z'])(
    'point %s: is chosen and shown in full',
    async (selector) => {
      const answer = await replica.fetch(`/v1/sets/shop/points/${encodeURIComponent(selector)}`);
      const detail = pointDetailSchema.parse(await answer.json());
      expect(detail).toMatchObject({ set: 'shop', point: 2, outcome: { recipe: 'hooks' } });
    },
  );
});

describe('a tree at a point', () => {
  it('ls: pages by name, names in text form', async () => {
    const names: string[] = [];
    let after: string | null = '';
    while (after !== null) {
      const query = new URLSearchParams({
        path: '/app/',
        limit: '2',
        ...(after === '' ? {} : { after }),
      });
      const answer = await replica.fetch(`/v1/sets/shop/points/1/ls?${query.toString()}`);
      const page = listSchema.parse(await answer.json());
      names.push(...page.entries.map(({ name }) => name));
      after = page.next;
    }
    expect(names).toEqual(['a', 'b', 'c \\xff', 'empty']);
  });

  it('stat: tells kind, size and ns time of one entry', async () => {
    const answer = await replica.fetch('/v1/sets/shop/points/1/stat?path=app/c%20%5Cxff');
    const { entry } = statSchema.parse(await answer.json());
    expect(entry).toMatchObject({ path: 'app/c \\xff', kind: 'file', size: 5 });
    expect(entry.mtimeNs).toMatch(/^19000000001234567\d\d$/);
  });

  it('walk: a folder at a time, empty folders too, and an end', async () => {
    const lines = await linesOf(await replica.fetch('/v1/sets/shop/points/1/walk'));
    expect(lines.at(-1)).toEqual({ type: 'end', lines: lines.length - 1 });
    const told = lines.slice(0, -1).map((line) => {
      const { type, path } = walkLineSchema.parse(line);
      return `${type} ${path}`;
    });
    expect(told).toEqual([
      'folder ',
      'entry app',
      'folder app',
      'entry app/a',
      'entry app/b',
      'entry app/c \\xff',
      'entry app/empty',
      'folder app/empty',
    ]);
    expect(replica.set.openViews).toBe(0);
  });
});

describe('contents at a point', () => {
  const file = '/v1/sets/shop/points/latest/file?path=app/a';

  it.each([
    [undefined, 200, 'alpha two', null],
    ['bytes=0-4', 206, 'alpha', 'bytes 0-4/9'],
    ['bytes=6-', 206, 'two', 'bytes 6-8/9'],
    ['bytes=-3', 206, 'two', 'bytes 6-8/9'],
    ['bytes=6-100', 206, 'two', 'bytes 6-8/9'],
    ['bytes=9-', 416, '', 'bytes */9'],
    ['bytes=5-2', 200, 'alpha two', null],
    ['lines=1-2', 200, 'alpha two', null],
  ])('range %s: answers %i with %j', async (range, status, text, contentRange) => {
    const response = await replica.fetch(file, range === undefined ? {} : { headers: { range } });
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(text);
    expect(response.headers.get('content-range')).toBe(contentRange);
    expect(replica.set.openViews).toBe(0);
  });

  it('a damaged first block: is a problem, not half an answer', async () => {
    replica.set.damage(replica.set.tree(2).node('app/a'), 0);
    expect(await problemOf(await replica.fetch(file))).toEqual({ code: 'damaged', status: 500 });
    expect(replica.set.openViews).toBe(0);
  });

  it('many files at once: blocks with digests, zero runs, and a failure that does not end the others', async () => {
    const tree = replica.set.tree(2);
    const [a, b, c] = ['app/a', 'app/b', 'app/c \xff'].map((path) => tree.node(path));
    replica.set.damage(a ?? 0, 0);
    const response = await replica.fetch('/v1/sets/shop/points/2/content', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        items: [
          { node: a },
          { node: b },
          { node: 999 },
          { node: b, ranges: [[4, 9]] },
          { node: c },
        ],
      }),
    });
    const frames: string[] = [];
    const body = response.body as unknown as AsyncIterable<Uint8Array>;
    for await (const frame of decodeContent(body)) frames.push(tell(frame));
    expect(frames).toEqual([
      '0 failed 0 damaged',
      '1 block 0 65536 good',
      '1 zero 1 3',
      '1 block 4 3 good',
      '2 failed 0 not-found',
      '3 block 4 3 good',
      '4 block 0 5 good',
    ]);
    expect(replica.set.openViews).toBe(0);
  });

  function tell(frame: ContentFrame): string {
    const head = `${frame.item} ${frame.type} ${frame.block}`;
    if (frame.type === 'failed') return `${head} ${frame.error.code}`;
    if (frame.type === 'zero') return `${head} ${frame.count}`;
    const digests = frame.type === 'run' ? frame.digests : frame.digest;
    const good = Buffer.from(replica.hash.digestBlocks(frame.bytes).digests).equals(digests);
    return `${head} ${frame.bytes.length} ${good ? 'good' : 'bad'}`;
  }

  it('digests: 32 bytes a block, cut at the end of the file', async () => {
    const node = replica.set.tree(2).node('app/b');
    const path = `/v1/sets/shop/points/2/digests/${node}?first=3&count=100`;
    const digests = Buffer.from(await (await replica.fetch(path)).arrayBuffer());
    expect(digests.length).toBe(64);
    expect(digests.subarray(32).equals(replica.hash.digest(Buffer.from('end')))).toBe(true);
  });
});

describe('asking for a sync', () => {
  const ask = (waitMs: number): Promise<Response> =>
    replica.fetch('/v1/sets/shop/sync', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ waitMs }),
    });

  it('without waiting: only asks', async () => {
    expect(await (await ask(0)).json()).toEqual({ set: 'shop', point: null });
  });

  it('waiting: answers with the point that it became', async () => {
    replica.served.onAsk = (request) => {
      setImmediate(() => {
        replica.served.commit(request);
      });
      return Promise.resolve();
    };
    expect(await (await ask(60_000)).json()).toMatchObject({ point: { point: 3 } });
    expect(replica.served.listeners).toBe(0);
  });

  it('waiting while the agent had begun a sync: the point of that one does not count', async () => {
    replica.served.onAsk = (request) => {
      setImmediate(() => {
        replica.served.commit('of another');
        replica.served.commit('of another', request);
      });
      return Promise.resolve();
    };
    expect(await (await ask(60_000)).json()).toMatchObject({ point: { point: 4 } });
  });

  it('waiting for an agent that forgot the request: the second point counts', async () => {
    replica.served.onAsk = () => {
      setImmediate(() => {
        replica.served.commit();
        replica.served.commit();
      });
      return Promise.resolve();
    };
    expect(await (await ask(60_000)).json()).toMatchObject({ point: { point: 4 } });
  });

  it('no point in time: is timed-out, and nothing listens any more', async () => {
    expect((await problemOf(await ask(20))).code).toBe('timed-out');
    expect(replica.served.listeners).toBe(0);
  });

  it('the agent is away: says so at once', async () => {
    replica.served.onAsk = () => Promise.reject(new AfterimageError('agent-away', 'app-1 is away'));
    expect((await problemOf(await ask(60_000))).code).toBe('agent-away');
    expect(replica.served.listeners).toBe(0);
  });
});

describe('closing', () => {
  it('a client that goes away in the middle of a walk: leaves no view open', async () => {
    replica.set.cut((tree) => {
      for (let index = 0; index < 20_000; index += 1) tree.file(`app/${index}`, '');
    });
    const controller = new AbortController();
    const response = await replica.fetch('/v1/sets/shop/points/latest/walk', {
      signal: controller.signal,
    });
    await response.body?.getReader().read();
    controller.abort();
    await expect.poll(() => replica.set.openViews).toBe(0);
  });

  it('a server that closes in the middle of a stream: ends it and frees its views', async () => {
    replica.set.cut((tree) => {
      for (let index = 0; index < 20_000; index += 1) tree.file(`app/${index}`, '');
    });
    const response = await replica.fetch('/v1/sets/shop/points/latest/walk');
    const rest = response.text();
    await replica.stop();
    await expect(rest).rejects.toThrow();
    expect(replica.set.openViews).toBe(0);
  });
});
