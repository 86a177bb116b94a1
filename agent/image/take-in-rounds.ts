/**
 * Pre-copy rounds, as in live migration: read with the application running while the rounds shrink,
 * then hold it and take only what changed since, in the way of an engine. Without a recipe there is
 * one round, and then an image where the way needs no hold.
 */
import { AfterimageError, asAfterimageError, messageOf } from '../../shared/errors.js';
import type { ApplicationContext, Consistency } from '../../shared/protocol/sync-outcome.js';
import type { HeldApplication } from '../quiesce/recipe.js';
import type { ImageRequest, ImageTaken, RoundFound } from './image-engine.js';

/** A round this small is as good as held: another one would not make the hold shorter. */
const SMALL_BYTES = 1024 * 1024;
const SMALL_RECORDS = 500;

/** One image, from just before the hold until its files are read. */
export interface HeldWay {
  /** True when `take` shows one instant although nothing is held. */
  readonly needsNoHold: boolean;
  /** With the application running: makes `take` short. */
  prepare(): Promise<void>;
  /** While held, if it is. */
  take(): Promise<WayTaken>;
  /** After the release: reads what is not read yet. */
  finish(): Promise<void>;
}

export interface WayTaken {
  readonly engine: string;
  readonly snapshot?: string;
  /** Paths of what changed meanwhile. */
  readonly moved: readonly string[];
}

export async function takeInRounds(request: ImageRequest, way: HeldWay): Promise<ImageTaken> {
  const { recipe, clock } = request;
  if (recipe.name === 'none') return await takeUnheld(request, way);
  const { rounds, found } = await runningRounds(request);
  if (!request.always && !found) return crash({ rounds, imageMs: clock.now() });
  if (!request.always && request.isEcho()) {
    const said = { kind: recipe.name, facts: { held: false, echo: true } };
    return { ...crash({ rounds, imageMs: clock.now() }), applications: [said] };
  }
  const running = rounds + (await preparedRounds(request));
  await way.prepare();
  const held = await holdOrSay(request);
  if (held instanceof AfterimageError) {
    const imageMs = clock.now();
    const said = [failedContext(request, held)];
    return { ...crash({ rounds: running, imageMs }), applications: said };
  }
  return await heldRound({ request, way, held, rounds: running + 1 });
}

async function takeUnheld(request: ImageRequest, way: HeldWay): Promise<ImageTaken> {
  const imageMs = request.clock.now();
  const { records } = await request.look({ held: false });
  const round = crash({ rounds: 1, imageMs });
  if (!way.needsNoHold || (records === 0 && !request.always)) return round;
  await way.prepare();
  const instantMs = request.clock.now();
  const taken = await way.take();
  await way.finish();
  const consistency: Consistency = taken.snapshot === undefined ? 'crash' : 'filesystem';
  return { ...round, ...imageOf(taken), consistency, imageMs: instantMs, rounds: 2 };
}

function crash(taken: { rounds: number; imageMs: number }): ImageTaken {
  return {
    engine: 'rounds',
    consistency: 'crash',
    heldMs: 0,
    releasedMs: undefined,
    applications: [],
    movedWhileHeld: [],
    ...taken,
  };
}

function imageOf({ engine, snapshot, moved }: WayTaken): Partial<ImageTaken> & {
  readonly engine: string;
  readonly movedWhileHeld: readonly string[];
} {
  return { engine, ...(snapshot === undefined ? {} : { snapshot }), movedWhileHeld: moved };
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

/** What the application writes to be held for a shorter time is read while it still runs. */
async function preparedRounds({ recipe, look, log, signal }: ImageRequest): Promise<number> {
  try {
    if ((await recipe.prepare?.(signal)) !== 'wrote') return 0;
  } catch (error) {
    signal.throwIfAborted();
    log.warn('the application could not be prepared to be held', { error: messageOf(error) });
    return 0;
  }
  await look({ held: false });
  return 1;
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

async function heldRound(image: {
  readonly request: ImageRequest;
  readonly way: HeldWay;
  readonly held: HeldApplication;
  readonly rounds: number;
}): Promise<ImageTaken> {
  const { request, way, held, rounds } = image;
  const { recipe, clock } = request;
  const imageMs = clock.now();
  request.hold(true);
  let taken: WayTaken;
  try {
    taken = await way.take();
  } catch (error) {
    await held.release();
    request.hold(false);
    throw error;
  }
  const release = await held.release();
  request.hold(false);
  const releasedMs = clock.now();
  await way.finish();
  const intact = release.intact && taken.moved.length === 0;
  return {
    ...imageOf(taken),
    consistency: intact ? recipe.consistency : 'crash',
    rounds,
    heldMs: release.heldMs,
    releasedMs,
    imageMs,
    applications: [heldContext(request, held, release)],
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
