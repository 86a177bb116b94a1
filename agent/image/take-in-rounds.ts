/**
 * Pre-copy rounds, as in live migration: read with the application running while the rounds shrink,
 * then hold it and take only what changed since, in the way of an engine. Without a recipe there is
 * one round, and then an image where the way needs no hold.
 */
import { AfterimageError, asAfterimageError, messageOf } from '../../shared/errors.js';
import type { Consistency } from '../../shared/protocol/sync-outcome.js';
import type { HeldApplication } from '../quiesce/recipe.js';
import { contextOf, crash, failedContext } from './application-context.js';
import type { ImageRequest, ImageTaken, RoundFound } from './image-engine.js';
import { takeInBackup } from './take-in-backup.js';

/** A round this small is as good as held: another one would not make the hold shorter. */
const SMALL_BYTES = 1024 * 1024;
const SMALL_RECORDS = 500;
/** Rounds that do not get below this are too long to hold an application that need not be held. */
const LONG_BYTES = 64 * 1024 * 1024;

/** One image, from just before the hold until its files are read. */
export interface HeldWay {
  /** True when `take` shows one instant although nothing is held. */
  readonly needsNoHold: boolean;
  /** The hold lasts as long as what changed takes to be read. */
  readonly readsWhileHeld?: true;
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
  const { rounds, found, last } = await runningRounds(request);
  if (!request.always && !found) return crash({ rounds, imageMs: clock.now() });
  if (!request.always && request.isEcho()) {
    const said = { kind: recipe.name, facts: { held: false, echo: true } };
    return { ...crash({ rounds, imageMs: clock.now() }), applications: [said] };
  }
  const running = rounds + (await preparedRounds(request));
  const { backup } = recipe;
  const because = backupBecause(request, way, last);
  if (backup !== undefined && because !== undefined) {
    return await takeInBackup({ request, backup, rounds: running, because });
  }
  await way.prepare();
  const held = await holdOrSay(request);
  if (held instanceof AfterimageError) {
    if (backup !== undefined) {
      const refused = `not held: ${held.message.slice(0, 1000)}`;
      return await takeInBackup({ request, backup, rounds: running, because: refused });
    }
    const imageMs = clock.now();
    const said = [failedContext(request, held)];
    return { ...crash({ rounds: running, imageMs }), applications: said };
  }
  return await heldRound({ request, way, held, rounds: running + 1 });
}

/** Why the application is not held at all; undefined when it is to be. */
function backupBecause(
  { recipe: { backup } }: ImageRequest,
  way: HeldWay,
  last: RoundFound,
): string | undefined {
  if (backup?.when === 'always') return 'as configured';
  const isLong = way.readsWhileHeld === true && last.bytes > LONG_BYTES;
  return isLong ? 'a hold would be long' : undefined;
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

function imageOf({ engine, snapshot, moved }: WayTaken): Partial<ImageTaken> & {
  readonly engine: string;
  readonly movedWhileHeld: readonly string[];
} {
  return { engine, ...(snapshot === undefined ? {} : { snapshot }), movedWhileHeld: moved };
}

async function runningRounds(
  request: ImageRequest,
): Promise<{ rounds: number; found: boolean; last: RoundFound }> {
  let found = false;
  let last: RoundFound | undefined;
  for (let rounds = 1; ; rounds += 1) {
    const round = await request.look({ held: false });
    if (round.records > 0) found = true;
    const small = round.bytes <= SMALL_BYTES && round.records <= SMALL_RECORDS;
    const shrinks = last === undefined || round.bytes < last.bytes / 2;
    if (small || !shrinks || rounds >= request.roundsMax) return { rounds, found, last: round };
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
    const message = request.recipe.backup === undefined ? '; the point is crash-consistent' : '';
    request.log.error(`the application could not be held${message}`, error);
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
    applications: [contextOf({ recipe, held, release })],
  };
}
