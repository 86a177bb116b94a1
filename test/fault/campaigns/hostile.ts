/**
 * An agent with valid credentials and a bad mind, at the real receiver and the real writer of its set,
 * beside a set of another agent: it tries to delete, alter, shorten and flood out points, to read what
 * is not its own, to write outside its base (promises 7 and 8, R20, R21, R23). Every point that was
 * acknowledged must read back, the other set must not move, and nothing outside may change. Seeded.
 */
import fs from 'node:fs';
import type { SyncRecord } from '../../../shared/protocol/records.js';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { Seeded } from '../../support/seeded.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { HostileBench } from '../support/hostile-bench.js';
import { altered, shuffled } from '../support/hostile-records.js';
import {
  blockRecords,
  core,
  fileRecords,
  link,
  nodeRecord,
  pattern,
  unlink,
} from '../../replica/support/small-set.js';

const ATTACKS = 300;

interface Kind {
  readonly kind: string;
  /** Share of `ATTACKS` that is tried. */
  readonly share: number;
  readonly attack: (bench: HostileBench, random: Seeded) => Promise<void>;
}

const names = ['..', '.', '', '/', 'a/b', '../../etc', 'x\0y', 'n'.repeat(256), '\xff\xfe'];
const specials = ['fifo', 'socket', 'char', 'block'] as const;

const kinds: readonly Kind[] = [
  {
    kind: 'records that delete, replace and shorten everything',
    share: 0.2,
    attack: async (bench, random) => {
      const fresh = { node: bench.newNode(), parent: SET_NODE, name: 'file' };
      const everything = bench.names().map((name) => unlink(SET_NODE, name));
      const content = random.bytes(random.below(3) * 100);
      const way = random.below(3);
      if (way === 0) await bench.send(everything);
      else if (way === 1) await bench.send([...everything, ...fileRecords({ ...fresh, content })]);
      else {
        await bench.send([
          nodeRecord({ node: 2, size: content.length, body: random.pick(['new', 'keep']) }),
          ...blockRecords(2, content),
        ]);
      }
    },
  },
  {
    kind: 'names that leave the base',
    share: 0.3,
    attack: async (bench, random) => {
      const node = bench.newNode();
      const raw = Buffer.from(random.pick(names), 'latin1');
      await bench.send([
        ...fileRecords({ node, parent: SET_NODE, name: 'x', content: random.bytes(50) }).slice(
          0,
          -1,
        ),
        { type: 'link', parent: SET_NODE, name: raw, node },
      ]);
    },
  },
  {
    kind: 'links, FIFOs and devices in the way of files',
    share: 0.5,
    attack: async (bench, random) => {
      const [first, second] = [bench.newNode(), bench.newNode()];
      const kind = random.pick([...specials, 'symlink', 'symlink'] as const);
      const target = Buffer.from(random.pick([bench.outside, '/etc', '..', '/proc/self/root']));
      const planted = nodeRecord({
        node: first,
        kind,
        rdev: kind === 'char' || kind === 'block' ? 0x0103 : 0,
        ...(kind === 'symlink' ? { target } : {}),
      });
      const name = `p${first}`;
      // in one sync, or in two: the second goes through what the first planted
      const way: SyncRecord[] = [planted, link(SET_NODE, name, first)];
      const through: SyncRecord[] = [
        ...fileRecords({ node: second, parent: first, name: 'inner', content: random.bytes(70) }),
      ];
      const over: SyncRecord[] = [
        unlink(SET_NODE, name),
        ...fileRecords({ node: second, parent: SET_NODE, name, content: random.bytes(70) }),
      ];
      if (random.chance(0.4)) await bench.send([...way, ...random.pick([through, over])]);
      else {
        await bench.send(way);
        await bench.send(random.pick([through, over]));
      }
    },
  },
  {
    kind: 'hard links and moves across folders, kinds and dead nodes',
    share: 0.3,
    attack: async (bench, random) => {
      const folder = bench.newNode();
      const node = random.pick([2, 3, 4, folder, 999_999]);
      await bench.send([
        nodeRecord({ node: folder, kind: 'folder' }),
        link(random.pick([SET_NODE, folder]), 'f', folder),
        link(folder, 'again', node),
        ...(random.chance(0.5) ? [link(folder, 'twice', folder)] : []),
        ...(random.chance(0.5) ? [nodeRecord({ node: 2, kind: random.pick(specials) })] : []),
      ]);
    },
  },
  {
    kind: 'links swapped into the base while a sync is applied',
    share: 0.3,
    attack: (bench, random) => bench.swapWhileApplying(random),
  },
  {
    kind: 'syncs with records left out, doubled, swapped and altered',
    share: 1,
    attack: async (bench, random) => {
      const node = bench.newNode();
      const records: SyncRecord[] = [
        nodeRecord({ node: 2, size: 150_000, body: 'keep' }),
        ...blockRecords(2, random.bytes(150_000)),
        ...fileRecords({ node, parent: SET_NODE, name: `m${node}`, content: random.bytes(5000) }),
        { type: 'zero', node, block: 0, count: random.pick([1, 0xffff_ffff]) },
        { type: 'same', node: 2, block: random.below(5), count: random.pick([1, 0xffff_fff0]) },
      ];
      if (random.chance(0.5)) await bench.send(shuffled(random, records));
      else await bench.sendBodies((body, at) => (at === 1 ? altered(random, body) : body), records);
    },
  },
  {
    kind: 'questions for blocks, files and states of another set',
    share: 0.5,
    attack: async (bench, random) => {
      const digest = core.digest(pattern(65_536, random.pick([7, 8])));
      await bench.askForSecrets(digest, random);
    },
  },
  {
    kind: 'copies of blocks of another set',
    share: 0.3,
    attack: async (bench, random) => {
      const node = bench.newNode();
      const digest = core.digest(pattern(65_536, random.pick([7, 8])));
      await bench.expectRefused([
        nodeRecord({ node, size: 65_536 }),
        { type: 'copy', node, block: 0, digest, length: 65_536 },
        link(SET_NODE, `stolen${node}`, node),
      ]);
    },
  },
  {
    kind: 'floods of syncs, HELLOs and sets',
    share: 0.1,
    attack: (bench, random) => bench.flood(random),
  },
  {
    kind: 'tokens stolen or replayed',
    share: 0.1,
    attack: (bench, random) => bench.stealTokens(random),
  },
];

export const campaign: Campaign = {
  name: 'hostile',
  run: async (options) => {
    const outcomes: Outcome[] = [];
    for (const [index, kind] of kinds.entries()) {
      outcomes.push(await runKind(kind, { ...options, seed: options.seed * 1009 + index }));
    }
    return outcomes;
  },
};

async function runKind(kind: Kind, options: CampaignOptions): Promise<Outcome> {
  const tries = Math.max(1, Math.round(ATTACKS * kind.share * options.budget));
  const random = new Seeded(options.seed);
  const total = { kind: kind.kind, tried: 0, survived: 0, lost: 0, wrong: 0 };
  const bench = await HostileBench.create();
  try {
    for (let index = 0; index < tries; index += 1) {
      total.tried += 1;
      const attack = kind.attack(bench, random);
      const failure = await attack.then(
        () => undefined,
        (error: unknown) => String(error),
      );
      const wrong = [...(failure === undefined ? [] : [failure]), ...(await bench.wrong())];
      if (wrong.length === 0) total.survived += 1;
      else {
        total.wrong += 1;
        options.log(
          `${kind.kind}, seed ${options.seed}, attack ${index}: ${wrong.slice(0, 3).join('; ')}`,
        );
        break;
      }
    }
    const { refused, committed } = bench.became;
    options.log(
      `${kind.kind}: ${total.tried} tried, ${refused} syncs refused, ${committed} became points`,
    );
    return total;
  } finally {
    await bench.close();
    fs.rmSync(bench.folder, { recursive: true, force: true });
  }
}
