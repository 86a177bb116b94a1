/**
 * Ships syncs over a session as an agent's pipeline does: a sync that is refused, or whose frames were
 * lost on both sides, is dropped and shipped anew; one that was committed meanwhile counts.
 */
import { AfterimageError } from '../../../shared/errors.js';
import type { AgentPosition, SessionEvent, SetSession } from '../../../agent/ship/session.js';
import { firstPosition, incarnation } from '../../agent/ship/wire-rig.js';
import type { Seeded } from '../../support/seeded.js';

export interface Shipping {
  /** Names of each sync that was acknowledged as committed, in order. */
  readonly committed: readonly string[][];
  /** Syncs that had to be shipped anew. */
  readonly again: number;
  /** HELLOs that found different histories; none is right here. */
  readonly diverged: number;
}

export interface ShipOptions {
  readonly session: SetSession;
  readonly syncs: number;
  readonly names: number;
  readonly random: Seeded;
  /** Called between records. */
  readonly meanwhile?: () => Promise<void>;
}

type Fate = 'committed' | 'again';

export async function shipSyncs(options: ShipOptions): Promise<Shipping> {
  const { session, syncs, names, random } = options;
  const committed: string[][] = [];
  const state = { position: firstPosition, diverged: 0, again: 0, number: 0 };
  let decide: ((fate: Fate) => void) | undefined;
  session.onEvent((event) => {
    const fate = learn(state, event);
    if (fate !== undefined) decide?.(fate);
  });
  await session.start(() => state.position);
  for (let sync = 0; sync < syncs; sync += 1) {
    const wanted = Array.from(
      { length: names },
      (_, at) => `${sync}-${at}-${'x'.repeat(random.below(300))}`,
    );
    for (;;) {
      state.number += 1;
      const fate = new Promise<Fate>((resolve) => {
        decide = resolve;
      });
      const written = await writeSync(options, { number: state.number, wanted, state });
      if (written === 'written' && (await fate) === 'committed') break;
      state.again += 1;
      state.position = { ...state.position, ended: null };
      session.drop();
    }
    committed.push(wanted);
  }
  return { committed, again: state.again, diverged: state.diverged };
}

/** Takes over what an event says of where both sides stand. */
function learn(
  state: { position: AgentPosition; diverged: number; number: number },
  event: SessionEvent,
): Fate | undefined {
  const { ended } = state.position;
  const at = (point: number, chain: Buffer): Fate => {
    state.position = { point, chain, incarnation, ended: null };
    return 'committed';
  };
  switch (event.type) {
    case 'committed':
      return event.sync === state.number ? at(event.point, event.chain) : undefined;
    case 'refused':
      return event.sync === state.number ? 'again' : undefined;
    case 'hello':
      if (event.outcome.type === 'diverged') {
        state.diverged += 1;
        at(event.outcome.point, event.outcome.chain);
        return 'again';
      }
      if (event.outcome.type === 'roll-forward')
        return at(event.outcome.point, event.outcome.chain);
      return ended?.sync === event.about && !event.outcome.resumed ? 'again' : undefined;
    default:
      return undefined;
  }
}

async function writeSync(
  { session, random, meanwhile }: ShipOptions,
  sync: {
    readonly number: number;
    readonly wanted: readonly string[];
    readonly state: { position: AgentPosition };
  },
): Promise<'written' | 'lost'> {
  const { number, wanted, state } = sync;
  try {
    await session.write({
      type: 'begin',
      sync: number,
      parentPoint: state.position.point,
      parentChain: state.position.chain,
      incarnation,
      startedMs: 1,
    });
    for (const name of wanted) {
      await session.write({
        type: 'link',
        parent: 1,
        name: Buffer.from(name.slice(0, 255)),
        node: 2,
      });
      if (random.chance(0.4)) session.flush();
      await meanwhile?.();
    }
    const end = { type: 'end', sync: number, outcome: Buffer.from('{}') } as const;
    const manifest = session.manifestDigest(end);
    state.position = { ...state.position, ended: { sync: number, manifest } };
    await session.write(end);
    return 'written';
  } catch (error) {
    if (error instanceof AfterimageError && error.kind === 'retry') return 'lost';
    throw error;
  }
}
