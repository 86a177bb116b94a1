/** What the product can be doing when trouble comes. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient, setPath } from '../../../cli/api-client.js';
import { TOKEN_FILE, URL_FILE } from '../../../shared/api/address.js';
import { type PruneLine, pruneLineSchema } from '../../../shared/api/retention.js';
import { scrubStatusSchema } from '../../../shared/api/scrub.js';
import { describeDisk } from '../../replica/support/disk-tree.js';
import { differences, posix } from '../../system/support/point-reader.js';
import { type Life, SET } from './life.js';
import { Broken, type JudgeOptions } from './witness.js';

export interface Activity {
  /** Under way when the trouble comes. */
  readonly name: 'small syncs' | 'large syncs' | 'retention' | 'scrub' | 'restore';
  /** Why the product does not do it; undefined when it does. */
  missing(life: Life): Promise<string | undefined>;
  /** What has to be there first; the tree stands still afterwards. */
  prepare(life: Life): Promise<void> | void;
  /** Resolves when it is over, whatever became of it. */
  begin(life: Life): Promise<unknown>;
  /** What the judge must know; called just before it. */
  judge?(life: Life): Promise<Partial<JudgeOptions>>;
  /** Brings it to its end after the trouble, and looks whether that end is good. */
  finish?(life: Life): Promise<void>;
}

const OPERATIONS_MAX = 12;
const POINTS_BEFORE_PRUNING = 7;
const POLL_MS = 20;
const ROUND_MS_MAX = 60_000;
const PRUNE_MS_MAX = 60_000;
const never = (): Promise<undefined> => Promise.resolve(undefined);

const smallSyncs: Activity = {
  name: 'small syncs',
  missing: never,
  prepare(life) {
    life.change(1 + life.random.below(OPERATIONS_MAX));
  },
  begin: (life) => life.witness.ask(),
};

const BULK_FILES = 4;
const BULK_FILE_BYTES_MAX = 3_000_000;
const PATCHED_BYTES = 2_500_000;
const PATCHES = 40;
const MANY_FILES = 120;

/** Files of megabytes come, go and are patched in places; a folder of many moves. */
function changeMuch({ root, random }: Life): void {
  const at = (name: string): string => path.join(root, 'bulk', name);
  for (let n = 0; n < 3; n += 1) {
    const name = at(`file-${random.below(BULK_FILES)}`);
    fs.rmSync(name, { force: true });
    if (random.chance(0.8)) fs.writeFileSync(name, random.bytes(random.below(BULK_FILE_BYTES_MAX)));
  }
  const patched = at('patched');
  if (!fs.existsSync(patched)) fs.writeFileSync(patched, random.bytes(PATCHED_BYTES));
  const fd = fs.openSync(patched, 'r+');
  for (let n = 0; n < PATCHES; n += 1)
    fs.writeSync(fd, random.bytes(5000), 0, 5000, random.below(PATCHED_BYTES + 100_000));
  fs.closeSync(fd);
  const [here, there] = random.chance(0.5) ? ['many', 'many-too'] : ['many-too', 'many'];
  if (fs.existsSync(at(here)) && !fs.existsSync(at(there))) fs.renameSync(at(here), at(there));
  const many = [at('many'), at('many-too')].find((folder) => fs.existsSync(folder)) ?? at('many');
  fs.mkdirSync(many, { recursive: true });
  for (let n = 0; n < MANY_FILES; n += 3)
    fs.writeFileSync(path.join(many, String(random.below(MANY_FILES))), random.bytes(3000));
}

const largeSyncs: Activity = {
  name: 'large syncs',
  missing: never,
  prepare: changeMuch,
  begin: (life) => life.witness.ask(),
};

/** What the policy of the moment lets go of each life's points. */
const going = new WeakMap<Life, ReadonlySet<number>>();

const retention: Activity = {
  name: 'retention',
  async missing({ product }) {
    return (await routeIsThere(() => product.api(setPath(SET, 'retention'))))
      ? undefined
      : 'this replica has no retention';
  },
  async prepare(life) {
    const { witness, random } = life;
    while (witness.points.length < POINTS_BEFORE_PRUNING) {
      life.change(1 + random.below(OPERATIONS_MAX));
      await witness.judge('points to prune', { still: true, read: 'none' });
    }
    await letGo(life);
  },
  begin: (life) => prune(life, 'remove'),
  async judge(life) {
    // Nothing more may go by itself while the judge looks.
    await life.product.api(setPath(SET, 'retention'), { policy: null });
    return { mayBeGone: going.get(life) ?? new Set() };
  },
  async finish(life) {
    await letGo(life);
    const mayBeGone = going.get(life) ?? new Set();
    await prune(life, 'remove');
    await life.product.api(setPath(SET, 'retention'), { policy: null });
    await life.witness.judge('after pruning', { still: true, read: 'all', mayBeGone });
    const left = life.witness.points.filter((point) => mayBeGone.has(point));
    if (left.length > 0) throw new Broken(`points ${left.join(', ')} were to go and are there`);
  },
};

/** Sets a policy, and finds out what it lets go. */
async function letGo(life: Life): Promise<void> {
  const policy = { keepLast: 1 + life.random.below(3), intervalMs: 1000 };
  await life.product.api(setPath(SET, 'retention'), { policy });
  const kept = new Set<number>();
  for (const line of await prune(life, 'plan')) {
    if (line.type === 'decision' && line.keep) kept.add(line.point);
  }
  going.set(life, new Set(life.witness.points.filter((point) => !kept.has(point))));
}

async function prune({ product }: Life, effect: 'plan' | 'remove'): Promise<PruneLine[]> {
  const read = (name: string): string =>
    fs.readFileSync(path.join(product.replicaData, name), 'utf8').trim();
  const api = new ApiClient(
    { url: read(URL_FILE), token: read(TOKEN_FILE) },
    AbortSignal.timeout(PRUNE_MS_MAX),
  );
  try {
    const lines: PruneLine[] = [];
    const request = { path: setPath(SET, 'prune'), body: { effect }, headersTimeoutMs: 0 };
    for await (const line of api.lines(pruneLineSchema, request)) lines.push(line);
    return lines;
  } finally {
    await api.close();
  }
}

const scrub: Activity = {
  name: 'scrub',
  async missing({ product }) {
    return (await routeIsThere(() => product.api(setPath(SET, 'scrub'))))
      ? undefined
      : 'this replica does not scrub';
  },
  prepare: (life) => {
    life.change(1);
  },
  begin: scrubRound,
  async finish(life) {
    await scrubRound(life);
    const { damaged, findings, found } = scrubStatusSchema.parse(
      await life.product.api(setPath(SET, 'scrub')),
    );
    if (damaged + findings + found > 0) {
      throw new Broken(`scrub finds ${found}, ${damaged} damaged, ${findings} odd`, { wrong: 1 });
    }
  },
};

async function scrubRound({ product }: Life): Promise<void> {
  const status = async (body?: object): Promise<number> =>
    scrubStatusSchema.parse(await product.api(setPath(SET, 'scrub'), body)).last?.number ?? 0;
  const before = await status({ action: 'begin' });
  const endMs = performance.now() + ROUND_MS_MAX;
  while ((await status()) === before) {
    if (performance.now() > endMs) throw new Broken('a scrub round does not end');
    await delay(POLL_MS);
  }
}

interface Restoring {
  readonly point: number;
  readonly folder: string;
}
const restoring = new WeakMap<Life, Restoring>();

const restore: Activity = {
  name: 'restore',
  missing: never,
  prepare(life) {
    const point = life.random.pick(life.witness.points);
    restoring.set(life, { point, folder: path.join(life.product.folder, `restore-of-${point}`) });
  },
  begin(life) {
    const { point, folder } = restoringOf(life);
    return life.product.run(['restore', `${SET}@${point}`, '--to', folder]);
  },
  async finish(life) {
    const { point, folder } = restoringOf(life);
    const at = `${SET}@${point}`;
    await life.product.ok(['restore', at, '--to', folder, '--in-place', '--delete']);
    const restored = describeDisk(posix, path.join(folder, SET));
    fs.rmSync(folder, { recursive: true, force: true });
    const wrong = differences(restored, life.witness.copyOf(point));
    if (wrong.length > 0) throw new Broken(`${at} restored: ${wrong.join('; ')}`, { wrong: 1 });
  },
};

function restoringOf(life: Life): Restoring {
  const found = restoring.get(life);
  if (found === undefined) throw new Error('no restore was prepared');
  return found;
}

async function routeIsThere(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (error) {
    if (String(error).includes(' 404 ')) return false;
    throw error;
  }
}

export const activities: readonly Activity[] = [smallSyncs, largeSyncs, retention, scrub, restore];
