/**
 * Syncs over a wire that goes wrong in every way a wire can, and beside a broker operator who forges
 * and plays back: what is acknowledged arrives once and in order, nothing forged is believed, and
 * nothing waits for ever (R11, R15, promise 1). The agent's real session and the replica's real
 * receiver; seeded.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryBroker, type Faults } from '../../../shared/transport/memory.js';
import { createRig, type Rig } from '../../agent/ship/wire-rig.js';
import { Seeded } from '../../support/seeded.js';
import type { Campaign, CampaignOptions, Outcome } from '../campaign.js';
import { BrokerOperator } from '../support/broker-operator.js';
import { FaultyTransport, type WireFaults } from '../support/faulty-transport.js';
import { shipSyncs } from '../support/ship-syncs.js';

const SCHEDULES = 100;
const SYNCS = 3;
const NAMES = 60;
/** After which a schedule counts as one that hangs; its troubles end earlier. */
const PATIENCE_MS = 60_000;
const TROUBLE_MS = 5_000;

interface Kind {
  readonly kind: string;
  readonly faults?: (random: Seeded) => WireFaults;
  readonly broker?: (random: Seeded) => Faults;
  /** Connections break, or everything stands still, so often. */
  readonly meanwhile?: (rig: Rig, random: Seeded, broker: MemoryBrokerish) => Promise<void>;
  readonly operator?: boolean;
}

interface MemoryBrokerish {
  down(): void;
  up(): void;
}

const crash = async (rig: Rig, random: Seeded): Promise<void> => {
  if (!random.chance(0.02)) return;
  await sleep(1);
  rig.crashReplica();
};
const cut = async (_rig: Rig, random: Seeded, broker: MemoryBrokerish): Promise<void> => {
  if (!random.chance(0.02)) return;
  broker.down();
  await sleep(random.below(20));
  broker.up();
};

const kinds: readonly Kind[] = [
  { kind: 'messages lost', faults: (random) => ({ lose: random.below(20) / 100 }) },
  { kind: 'messages doubled', faults: (random) => ({ double: random.below(50) / 100 }) },
  { kind: 'messages reordered', faults: (random) => ({ reorder: random.below(30) / 100 }) },
  { kind: 'messages damaged', faults: (random) => ({ damage: random.below(20) / 100 }) },
  {
    kind: 'deliveries stalled',
    faults: (random) => ({ stall: 0.05, stallMs: 20 + random.below(400) }),
  },
  { kind: 'connections broken', broker: () => ({ disconnect: 0.03 }) },
  { kind: 'broker gone and back', meanwhile: cut },
  { kind: 'replica gone and back', meanwhile: crash },
  { kind: 'forged and replayed by a broker operator', operator: true },
  {
    kind: 'all of it at once',
    faults: (random) => ({
      lose: random.below(5) / 100,
      double: random.below(10) / 100,
      damage: random.below(5) / 100,
      reorder: random.below(8) / 100,
      stall: 0.01,
    }),
    broker: () => ({ disconnect: 0.005 }),
    meanwhile: async (rig, random, broker) => {
      await crash(rig, random);
      await cut(rig, random, broker);
    },
    operator: true,
  },
];

export const campaign: Campaign = {
  name: 'wire',
  run: async (options) => {
    const tries = Math.max(1, Math.round(SCHEDULES * options.budget));
    const outcomes: Outcome[] = [];
    for (const kind of kinds) outcomes.push(await runKind(kind, tries, options));
    return outcomes;
  },
};

async function runKind(kind: Kind, tries: number, options: CampaignOptions): Promise<Outcome> {
  const total = { kind: kind.kind, tried: 0, survived: 0, lost: 0, wrong: 0 };
  const startMs = performance.now();
  let again = 0;
  for (let index = 0; index < tries; index += 1) {
    const seed = options.seed * 100_003 + index * 101 + kinds.indexOf(kind);
    total.tried += 1;
    const found = await runSchedule(kind, seed);
    again += found.again;
    total.lost += found.lost;
    total.wrong += found.wrong;
    if (found.why === undefined) total.survived += 1;
    else options.log(`${kind.kind}, schedule ${seed}: ${found.why}`);
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  options.log(
    `${kind.kind}: ${total.survived} of ${tries}, ${again} syncs shipped anew, ${seconds} s`,
  );
  return total;
}

interface Found {
  readonly why?: string;
  readonly lost: number;
  readonly wrong: number;
  readonly again: number;
}

async function runSchedule(kind: Kind, seed: number): Promise<Found> {
  const random = new Seeded(seed);
  const broker = createMemoryBroker({ seed });
  const transports: FaultyTransport[] = [];
  const rig = createRig({
    connect: () => {
      const transport = new FaultyTransport(
        broker.connect(),
        new Seeded(seed + transports.length + 1),
        kind.faults?.(random) ?? {},
      );
      transports.push(transport);
      return transport;
    },
    set: { durableEvery: 1 + random.below(8) },
  });
  broker.setFaults(kind.broker?.(random) ?? {});
  const operator =
    kind.operator === true
      ? new BrokerOperator(broker.connect(), new Seeded(seed + 77))
      : undefined;
  operator?.start(2);
  const patience = new AbortController();
  let calm = false;
  const end = setTimeout(() => {
    calm = true;
    broker.setFaults({});
    for (const transport of transports) transport.heal();
  }, TROUBLE_MS);
  try {
    const session = rig.session(rig.enrol('web'), { windowBytes: 4096 * (1 + random.below(8)) });
    const shipping = shipSyncs({
      session,
      syncs: SYNCS,
      names: NAMES,
      random,
      meanwhile: async () => {
        if (!calm) await kind.meanwhile?.(rig, random, broker);
      },
    });
    const shipped = await Promise.race([
      shipping,
      sleep(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined),
    ]);
    if (shipped === undefined) return { why: 'it hangs', lost: 0, wrong: 0, again: 0 };
    return judged(rig, shipped);
  } finally {
    patience.abort();
    clearTimeout(end);
    operator?.stop();
    await rig.close();
    for (const transport of transports) await transport.close();
  }
}

function judged(rig: Rig, shipped: Awaited<ReturnType<typeof shipSyncs>>): Found {
  const { again, diverged } = shipped;
  const wanted = shipped.committed.flat().map((name) => name.slice(0, 255));
  const got = rig.port.committed;
  const missing = wanted.filter((name) => !got.includes(name)).length;
  if (missing > 0)
    return { why: `${missing} acknowledged names are gone`, lost: 1, wrong: 0, again };
  if (got.join('\n') !== wanted.join('\n')) {
    return {
      why: `${got.length} names for ${wanted.length}, or out of order`,
      lost: 0,
      wrong: 1,
      again,
    };
  }
  if (diverged > 0) return { why: 'histories were found different', lost: 0, wrong: 1, again };
  return { lost: 0, wrong: 0, again };
}
