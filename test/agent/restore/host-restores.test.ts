/**
 * The agent's side of restores to its host against the replica's answers, and against those of a
 * replica that is not to be trusted: what the configuration allows decides (R22), nothing is written
 * outside, nothing that was asked before is done again, and what was cut off goes on (promise 10).
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostRestores } from '../../../agent/restore/host-restores.js';
import { PathFilter } from '../../../agent/plan/path-filter.js';
import type { SessionEvent } from '../../../agent/ship/session.js';
import { AgentState } from '../../../agent/state.js';
import { AgentOrders, type OpenOrder } from '../../../replica/restore/agent-orders.js';
import { systemClock } from '../../../shared/clock.js';
import { parseAgentConfig } from '../../../shared/config/agent-config.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import type { Answer } from '../../../shared/protocol/query.js';
import {
  decodeRestoreQuestion,
  type RestoreOrder,
  type RestoreQuestion,
  type RestoreReportMessage,
} from '../../../shared/protocol/restore-question.js';
import { removeFolder } from '../../replica/support/disk-tree.js';
import { MemorySet } from '../../replica/support/memory-set.js';

const hash = createHashCore();
const posix = loadPosix();

let folder: string;
let root: string;
let set: MemorySet;
let orders: AgentOrders;
let reports: RestoreReportMessage[];
const closing: (() => Promise<void> | void)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-host-'));
  root = join(folder, 'app');
  mkdirSync(join(folder, 'data'));
  mkdirSync(root);
  set = new MemorySet('shop', hash);
  set.cut((tree) => {
    tree.folder('app').file('app/conf', 'good').folder('app/sub');
    for (let n = 0; n < 40; n += 1) tree.file(`app/sub/file-${n}`, Buffer.alloc(100_000, n + 1));
  });
  orders = new AgentOrders({ hash, monotonic: () => performance.now() });
  reports = [];
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  removeFolder(posix, folder);
});

type Tamper = (question: RestoreQuestion, answer: Answer) => Answer | Promise<Answer>;

interface Agent {
  readonly restores: HostRestores;
  asked(order: string): void;
  commit(): void;
  readonly questions: RestoreQuestion[];
}

/** An agent whose replica is `orders`, with what `tamper` makes of its answers. */
function startAgent(restore = 'allow: in-place', tamper: Tamper = (_, answer) => answer): Agent {
  const config = parseAgentConfig({
    path: join(folder, 'agent.yaml'),
    text: `data_folder: ${folder}/data\nrestore: { ${restore} }\nsets: [{ name: shop, roots: [${root}], exclude: [cache] }]\n`,
  });
  const [only] = config.sets;
  if (only === undefined) throw new Error('the configuration has a set');
  const own = statSync(join(folder, 'data'), { bigint: true });
  const state = new AgentState(join(folder, 'data', `state-${closing.length}.db`));
  const listeners = new Set<(event: SessionEvent) => void>();
  const questions: RestoreQuestion[] = [];
  const restores = new HostRestores({
    set: only,
    allowed: config.restore,
    folder: join(folder, 'data'),
    session: {
      restore: async (bytes) => {
        const question = decodeRestoreQuestion(bytes);
        questions.push(question);
        return await tamper(question, await orders.answer('shop', bytes));
      },
      onEvent: (listener) => {
        listeners.add(listener);
        return { unsubscribe: () => void listeners.delete(listener) };
      },
    },
    place: {
      filter: new PathFilter(only),
      ownFolders: [{ dev: Number(own.dev), ino: own.ino }],
      guarded: [join(folder, 'data'), root],
      posix,
      state,
    },
    createCore: () => createHashCore(),
    clock: systemClock,
    log: silentLog,
  });
  closing.push(
    () => {
      state.close();
    },
    () => restores.stop(),
  );
  const tell = (event: SessionEvent): void => {
    for (const listener of listeners) listener(event);
  };
  restores.start();
  return {
    restores,
    questions,
    asked: (order) => {
      tell({ type: 'restore-asked', order });
    },
    commit: () => {
      tell({ type: 'committed', sync: 1, point: 2, chain: Buffer.alloc(32), timeMs: 0 });
    },
  };
}

function open(more: Partial<RestoreOrder> = {}, point = 1): OpenOrder {
  const order: RestoreOrder = {
    id: 'job-1-aa',
    label: 'job-1',
    point: 1,
    imageMs: 0,
    paths: [],
    target: 'in-place',
    conflict: 'overwrite',
    orphans: 'delete',
    aside: 'aside',
    effect: 'write',
    ...more,
  };
  const opened = orders.open({
    set: 'shop',
    order,
    open: () => set.open(point),
    onReport: (report) => reports.push(report),
  });
  closing.push(() => {
    opened.close();
  });
  return opened;
}

async function final(): Promise<RestoreReportMessage> {
  await expect
    .poll(() => reports.find(({ state }) => state !== 'running'), { timeout: 10_000 })
    .toBeDefined();
  return (
    reports.find(({ state }) => state !== 'running') ?? { state: 'failed', code: '', message: '' }
  );
}

describe('restores to the host', () => {
  it('an order: is carried out, said by the points that follow, and its event does nothing again', async () => {
    mkdirSync(join(root, 'cache'));
    writeFileSync(join(root, 'cache', 'excluded'), 'stays');
    writeFileSync(join(root, 'extra'), 'goes');
    open();
    const agent = startAgent();
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'done', problemCount: 0 });
    expect(readdirSync(root).sort()).toEqual(['cache', 'conf', 'sub']);
    expect(readFileSync(join(root, 'cache/excluded'), 'utf8')).toBe('stays');
    expect(agent.restores.restored(0)).toMatchObject({ point: 1, done: false });
    expect(agent.restores.restored(Date.now() + 1)).toMatchObject({ point: 1, done: true });
    agent.commit();
    expect(agent.restores.restored(Date.now())).toBeUndefined();
    writeFileSync(join(root, 'conf'), 'newer');
    reports = [];
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'done' });
    expect(readFileSync(join(root, 'conf'), 'utf8')).toBe('newer');
  });

  it('cut off by the end of the agent: the next one goes on by itself', async () => {
    open();
    let reads = 0;
    const first = startAgent('allow: in-place', (question, answer) => {
      if (question.ask === 'read' && ++reads === 2) return new Promise(() => undefined);
      return answer;
    });
    first.asked('job-1-aa');
    await expect.poll(() => reads).toBeGreaterThanOrEqual(2);
    await first.restores.stop();
    expect(reports.every(({ state }) => state === 'running')).toBe(true);
    startAgent();
    expect(await final()).toMatchObject({ state: 'done', problemCount: 0 });
    expect(readdirSync(join(root, 'sub'))).toHaveLength(40);
  });

  it('called off: stops, and says so', async () => {
    const opened = open();
    const agent = startAgent('allow: in-place', (question, answer) =>
      question.ask === 'read' ? new Promise(() => undefined) : answer,
    );
    opened.callOff();
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'cancelled' });
  });
});

describe('what the configuration of the agent decides (R22)', () => {
  it('allow none: nothing is read, nothing is written, and the setting is named', async () => {
    open();
    const agent = startAgent('allow: none');
    agent.asked('job-1-aa');
    const report = await final();
    expect(report).toMatchObject({ state: 'failed', code: 'restore-refused' });
    expect(JSON.stringify(report)).toContain('restore.allow');
    expect(agent.questions.some(({ ask }) => ask === 'walk' || ask === 'read')).toBe(false);
    expect(readdirSync(root)).toEqual([]);
  });

  it.each([
    ['no folder is configured', 'allow: in-place', 'beside'],
    ['another folder', 'folders: [/FOLDER/allowed]', 'beside'],
    ['a way up', 'folders: [/FOLDER/allowed]', 'allowed/../beside'],
    ['a link below it', 'folders: [/FOLDER/allowed]', 'allowed/link/x'],
  ])('beside, %s: is refused', async (_, restore, where) => {
    mkdirSync(join(folder, 'allowed'));
    mkdirSync(join(folder, 'beside'));
    symlinkSync(join(folder, 'beside'), join(folder, 'allowed', 'link'));
    open({ target: { beside: `${folder}/${where}` } });
    const agent = startAgent(restore.replace('/FOLDER', folder));
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'failed' });
    expect(readdirSync(join(folder, 'beside'))).toEqual([]);
  });

  it('beside, below a configured folder: goes there, and the roots stay as they are', async () => {
    open({ target: { beside: `${folder}/allowed/new` } });
    mkdirSync(join(folder, 'allowed'));
    const agent = startAgent(`folders: [${folder}/allowed]`);
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'done', problemCount: 0 });
    expect(readFileSync(join(folder, 'allowed/new/app/conf'), 'utf8')).toBe('good');
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('what no undo point would have', () => {
  it('left out of the set since: it stays, whatever the point has there', async () => {
    set.cut((tree) => {
      tree.folder('app/cache').file('app/cache/page', 'older').file('app/cache/lost', 'older');
    });
    mkdirSync(join(root, 'cache'));
    writeFileSync(join(root, 'cache', 'page'), 'captured by no point');
    open({ point: 2 }, 2);
    const agent = startAgent();
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'done', problemCount: 0 });
    expect(readFileSync(join(root, 'conf'), 'utf8')).toBe('good');
    expect(readFileSync(join(root, 'cache/page'), 'utf8')).toBe('captured by no point');
    expect(readdirSync(join(root, 'cache'))).toEqual(['page']);
  });

  it.each([
    ['the folder that a root lies in', '', ''],
    ['the same behind a link that the operator configured', '/link', '/link'],
  ])('beside, into %s: is refused, as the root would be written', async (_, allowed, to) => {
    writeFileSync(join(root, 'conf'), 'newer');
    symlinkSync(folder, join(folder, 'link'));
    open({ target: { beside: `${folder}${to}` } });
    const agent = startAgent(`folders: [${folder}${allowed}]`);
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'failed', code: 'restore-refused' });
    expect(readFileSync(join(root, 'conf'), 'utf8')).toBe('newer');
    expect(readdirSync(root)).toEqual(['conf']);
  });
});

describe('a replica that is not to be trusted (R22)', () => {
  const victim = (): string => join(folder, 'victim');
  const evil: [string, (line: Record<string, unknown>) => Record<string, unknown>[]][] = [
    [
      'a name that leads up',
      (line) => [
        { ...line, path: 'app/..' },
        { ...line, path: 'app/../victim' },
      ],
    ],
    [
      'a folder nobody listed',
      (line) => [
        line,
        { type: 'folder', path: 'app/../..', node: 9 },
        { ...line, path: 'app/../../victim' },
      ],
    ],
    [
      'an absolute path',
      (line) => [
        { ...line, path: '/victim' },
        { ...line, path: '' },
      ],
    ],
  ];

  it.each(evil)('%s: nothing is written outside', async (_, change) => {
    writeFileSync(victim(), 'untouched');
    open();
    const agent = startAgent('allow: in-place', (question, answer) => {
      if (question.ask !== 'walk') return answer;
      const lines = Buffer.from(answer.bytes).toString().trimEnd().split('\n');
      const changed = lines.flatMap((text) => {
        const line = JSON.parse(text) as Record<string, unknown>;
        return line['kind'] === 'file' ? change(line) : [line];
      });
      const bytes = Buffer.from(changed.map((line) => `${JSON.stringify(line)}\n`).join(''));
      return { ...answer, bytes };
    });
    agent.asked('job-1-aa');
    await final();
    expect(readFileSync(victim(), 'utf8')).toBe('untouched');
    expect(readdirSync(folder).sort()).toEqual(['app', 'data', 'victim']);
  });

  it('other bytes than their digests say, twice: the file is named and not made, the others are', async () => {
    open();
    const agent = startAgent('allow: in-place', (question, answer) => {
      const bytes = Buffer.from(answer.bytes);
      if (question.ask === 'read' && bytes.includes('good'))
        bytes.write('evil', bytes.indexOf('good'));
      return { ...answer, bytes };
    });
    agent.asked('job-1-aa');
    const problems = [{ path: 'app/conf', code: 'answer-malformed' }];
    expect(await final()).toMatchObject({ state: 'done', problemCount: 1, problems });
    expect(existsSync(join(root, 'conf'))).toBe(false);
    expect(readdirSync(join(root, 'sub'))).toHaveLength(40);
  });

  it('answers that never end: the restore fails, the agent does not', async () => {
    open();
    const agent = startAgent('allow: in-place', (question, answer) =>
      question.ask === 'walk' ? { bytes: Buffer.alloc(0), total: 0, next: '5' } : answer,
    );
    agent.asked('job-1-aa');
    expect(await final()).toMatchObject({ state: 'failed', code: 'answer-malformed' });
  });

  it('an order that no job has open: is not carried out, and neither is one of another set', async () => {
    const agent = startAgent();
    agent.asked('job-9-ff');
    await expect.poll(() => agent.questions.length).toBeGreaterThan(0);
    expect(agent.questions.every(({ ask }) => ask === 'order')).toBe(true);
    await expect(
      orders.answer('other', Buffer.from(JSON.stringify({ ask: 'order', order: 'job-9-ff' }))),
    ).rejects.toMatchObject({ code: 'restore-unknown' });
    open();
    await expect(
      orders.answer('other', Buffer.from(JSON.stringify({ ask: 'order', order: 'job-1-aa' }))),
    ).rejects.toMatchObject({ code: 'restore-unknown' });
  });
});
