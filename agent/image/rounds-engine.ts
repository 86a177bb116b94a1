/**
 * Pre-copy rounds, as in live migration: read with the application running while the rounds shrink,
 * then hold it and read only what changed since. Without a recipe there is one round.
 */
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { ApplicationContext } from '../../shared/protocol/sync-outcome.js';
import type { HeldApplication } from '../quiesce/recipe.js';
import type { ImageEngine, ImageRequest, ImageTaken, RoundFound } from './image-engine.js';

/** A round this small is as good as held: another one would not make the hold shorter. */
const SMALL_BYTES = 1024 * 1024;
const SMALL_RECORDS = 500;

export function createRoundsEngine(): ImageEngine {
  return { name: 'rounds', take };
}

async function take(request: ImageRequest): Promise<ImageTaken> {
  const { recipe, clock } = request;
  if (recipe.name === 'none') {
    const imageMs = clock.now();
    await request.look({ held: false });
    return crash({ rounds: 1, imageMs });
  }
  const { rounds, found } = await runningRounds(request);
  if (!request.always && !found) return crash({ rounds, imageMs: clock.now() });
  if (!request.always && request.isEcho()) {
    const said = { kind: recipe.name, facts: { held: false, echo: true } };
    return { ...crash({ rounds, imageMs: clock.now() }), applications: [said] };
  }
  const held = await holdOrSay(request);
  if (held instanceof AfterimageError) {
    const imageMs = clock.now();
    return { ...crash({ rounds, imageMs }), applications: [failedContext(request, held)] };
  }
  return await heldRound(request, held, rounds + 1);
}

function crash(taken: { rounds: number; imageMs: number }): ImageTaken {
  return {
    consistency: 'crash',
    heldMs: 0,
    releasedMs: undefined,
    applications: [],
    movedWhileHeld: [],
    ...taken,
  };
}

async function runningRounds(request: ImageRequest): Promise<{ rounds: number; found: boolean }> {
  let found = false;
  let last: RoundFound | undefined;
  for (let rounds = 1; ; rounds += 1) {
    const round = await request.look({ held: false });
    if (round.records > 0) found = true;
    const small = round.bytes <= SMALL_BYTES && round.records <= SMALL_RECORDS;
    const shrinks = last === undefined || round.bytes < last.bytes / 2;
    if (small || !shrinks || rounds >= request.roundsMax) return { rounds, found };
    last = round;
  }
}

/** A hold that fails leaves a point that says so: less consistent is better than none. */
async function holdOrSay(request: ImageRequest): Promise<HeldApplication | AfterimageError> {
  try {
    return await request.recipe.hold(request.signal);
  } catch (error) {
    request.signal.throwIfAborted();
    request.log.error('the application could not be held; the point is crash-consistent', error);
    return asAfterimageError(error);
  }
}

async function heldRound(
  request: ImageRequest,
  held: HeldApplication,
  rounds: number,
): Promise<ImageTaken> {
  const { recipe, clock } = request;
  const imageMs = clock.now();
  request.hold(true);
  let moved: readonly string[];
  try {
    await request.look({ held: true });
    moved = request.movedWhileHeld();
  } catch (error) {
    await held.release();
    request.hold(false);
    throw error;
  }
  const release = await held.release();
  request.hold(false);
  const intact = release.intact && moved.length === 0;
  return {
    consistency: intact ? recipe.consistency : 'crash',
    rounds,
    heldMs: release.heldMs,
    releasedMs: clock.now(),
    imageMs,
    applications: [heldContext(request, held, release)],
    movedWhileHeld: moved,
  };
}

function heldContext(
  { recipe }: ImageRequest,
  { facts }: HeldApplication,
  release: Awaited<ReturnType<HeldApplication['release']>>,
): ApplicationContext {
  const { version, logPosition, ...rest } = facts;
  return {
    kind: recipe.name,
    ...(typeof version === 'string' ? { version } : {}),
    ...(typeof logPosition === 'string' ? { logPosition } : {}),
    facts: {
      ...rest,
      intact: release.intact,
      releasedBy: release.releasedBy,
      ...(release.problems.length === 0
        ? {}
        : { problems: release.problems.join('; ').slice(0, 2000) }),
    },
  };
}

function failedContext({ recipe }: ImageRequest, error: AfterimageError): ApplicationContext {
  return {
    kind: recipe.name,
    facts: { held: false, code: error.code, error: error.message.slice(0, 2000) },
  };
}
