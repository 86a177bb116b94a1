/**
 * An image of an application that goes on while it is read, by its own backup protocol: everything is
 * looked at once more after the backup began, its log again after it ended, and what the application
 * answers at the end becomes files of the point.
 */
import { AfterimageError, asAfterimageError, messageOf } from '../../shared/errors.js';
import type { ApplicationContext } from '../../shared/protocol/sync-outcome.js';
import type { BackupMode, RunningBackup } from '../quiesce/recipe.js';
import { contextOf, crash, failedContext } from './application-context.js';
import type { ImageRequest, ImageTaken } from './image-engine.js';

export interface BackupImage {
  readonly request: ImageRequest;
  readonly backup: BackupMode;
  /** Looked so often with nothing begun. */
  readonly rounds: number;
  /** Why the application was not held. */
  readonly because: string;
}

export async function takeInBackup(image: BackupImage): Promise<ImageTaken> {
  const { request, backup, rounds, because } = image;
  const running = await beginOrSay(request, backup);
  if (running instanceof AfterimageError) {
    const failed = failedContext(request, running);
    const said = { ...failed, facts: { ...failed.facts, because } };
    return { ...crash({ rounds, imageMs: request.clock.now() }), applications: [said] };
  }
  try {
    await request.look({ held: false });
  } catch (error) {
    await running.release();
    await running.close();
    throw error;
  }
  return await endBackup(image, running);
}

async function beginOrSay(
  { signal, log }: ImageRequest,
  backup: BackupMode,
): Promise<RunningBackup | AfterimageError> {
  try {
    return await backup.begin(signal);
  } catch (error) {
    signal.throwIfAborted();
    log.error(
      'the application could not be copied by its own backup; the point is crash-consistent',
      error,
    );
    return asAfterimageError(error);
  }
}

async function endBackup(image: BackupImage, running: RunningBackup): Promise<ImageTaken> {
  const { request, rounds, because } = image;
  const { clock, recipe, log } = request;
  // What was done by now is in the log that the point will have.
  const imageMs = clock.now();
  const release = await running.release();
  const ended = release.intact ? await readLog(request, running) : await abandon(running);
  if (ended.wrong !== undefined)
    log.warn('the copy is not whole', { recipe: recipe.name, why: ended.wrong });
  const whole = release.intact && ended.wrong === undefined;
  const said = contextOf({ recipe, held: running, release });
  const facts: ApplicationContext['facts'] = {
    ...said.facts,
    held: false,
    because,
    backupMs: release.heldMs,
    intact: whole,
    ...(ended.wrong === undefined ? {} : { problems: ended.wrong.slice(0, 2000) }),
  };
  const at = ended.logPosition === undefined ? {} : { logPosition: ended.logPosition };
  return {
    ...crash({ rounds: rounds + 1, imageMs }),
    consistency: whole ? recipe.consistency : 'crash',
    releasedMs: clock.now(),
    applications: [{ ...said, ...at, facts }],
  };
}

interface Ended {
  readonly logPosition?: string;
  readonly wrong: string | undefined;
}

async function readLog(request: ImageRequest, running: RunningBackup): Promise<Ended> {
  try {
    const { logs, traces, files, logPosition } = running.end();
    await request.look({ held: false, folders: logs });
    const wrong = await running.close();
    if (wrong !== undefined) return { wrong };
    await request.look({ held: false, folders: traces });
    await request.place(files);
    return { logPosition, wrong };
  } catch (error) {
    await running.close();
    request.signal.throwIfAborted();
    if (error instanceof AfterimageError && error.code === 'quiesce-failed') {
      return { wrong: messageOf(error) };
    }
    throw error;
  }
}

async function abandon(running: RunningBackup): Promise<Ended> {
  await running.close();
  return { wrong: 'the backup did not last until its files were read' };
}
