/**
 * What comes between the first HELLO and the first sync of a set: the sync that a crash left in
 * flight is made final or taken back, and what the set's state knows is read.
 */
import type { Divergence } from '../../shared/protocol/sync-outcome.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { SetParts } from '../pipeline.js';
import type { HelloOutcome } from '../ship/session.js';
import { adoptReplica } from '../state/adopt-replica.js';

export type Diverged = Extract<HelloOutcome, { type: 'diverged' }>;

type Parts = Pick<SetParts, 'state' | 'session' | 'index' | 'log'>;

/** Obeys what HELLO says of the sync that was in flight; returns it when the histories differ. */
export async function settleHello(
  { state, log }: Pick<Parts, 'state' | 'log'>,
  outcome: HelloOutcome,
): Promise<Diverged | undefined> {
  if (outcome.type === 'roll-forward') {
    state.commitSync(outcome);
    log.info('the replica had committed the last sync', { point: outcome.point });
    return undefined;
  }
  if (state.flight !== undefined) await state.dropSync(new TimeSlice());
  return outcome.type === 'diverged' ? outcome : undefined;
}

/** On a large set this takes seconds; it gives way all the time. */
export async function readState({ state, index }: Pick<Parts, 'state' | 'index'>): Promise<void> {
  const slice = new TimeSlice();
  await state.files.countIfUnknown(slice);
  await index.fill(slice);
}

/** Takes the state from the replica; the next point says so, whatever becomes of this process. */
export async function takeReplicaState(
  { state, session, index, log }: Parts,
  diverged: Diverged,
): Promise<void> {
  const { point, reason }: { point: number; reason: Divergence } = diverged;
  log.warn('agent and replica remember different histories; everything is compared', {
    point,
    reason,
  });
  const slice = new TimeSlice();
  state.beginHealing(reason);
  await adoptReplica(state, session, { committed: diverged, slice });
  await index.fill(slice);
}
