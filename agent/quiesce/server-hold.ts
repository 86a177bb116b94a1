/**
 * The hold that all database recipes share: the server is asked to come to rest, then its processes
 * are stopped; they go on before it is asked anything again. The session's end lets go of whatever
 * the server holds for it, so the watchdog needs no words with the server.
 */
import { AfterimageError, messageOf } from '../../shared/errors.js';
import type { ClientSession } from './client-session.js';
import type { Freezer } from './freezer.js';
import { holdUnderWatchdog } from './hold-under-watchdog.js';
import type { Hold } from './hold-under-watchdog.js';
import type {
  HeldApplication,
  QuiesceDeps,
  QuiesceFacts,
  QuiesceRecipe,
  ServerConfig,
} from './recipe.js';
import type { ReleaseAction } from './release-action.js';
import { performRelease } from './release-action.js';

/** A server that is ready to be held, with what one kind of it does before and after. */
export interface ReadyServer {
  readonly session: ClientSession;
  readonly freezer: Freezer;
  readonly facts: QuiesceFacts;
  /** While held and before the processes are stopped: brings the server to rest. */
  rest(signal: AbortSignal): Promise<QuiesceFacts>;
  /** After they go on: the opposite of `rest`. */
  wake(signal: AbortSignal): Promise<void>;
}

export interface ServerRecipe {
  readonly name: string;
  readonly config: ServerConfig;
  readonly deps: QuiesceDeps;
  /** Connects and looks at everything that can be looked at before the hold. */
  readonly ready: (signal: AbortSignal) => Promise<ReadyServer>;
}

const LET_GO_MS_MAX = 10_000;
/** How often it is looked whether what was stopped still stands. */
const LOOK_MS = 100;

/** What the recipes of all kinds of server are made of. */
export function serverRecipe(recipe: ServerRecipe): QuiesceRecipe {
  return {
    name: recipe.name,
    consistency: 'application',
    hold: (signal) => holdServer(recipe, signal),
  };
}

/** Getting ready takes its own time, before the hold and its deadline begin. */
async function holdServer(recipe: ServerRecipe, signal: AbortSignal): Promise<HeldApplication> {
  const { name, config, deps } = recipe;
  const server = await withinReadyTime(recipe, signal, () =>
    recipe.ready(AbortSignal.any([signal, AbortSignal.timeout(config.readyMsMax)])),
  );
  const { deadlineMs } = config;
  return holdUnderWatchdog({ name, hold: createHold(server), deadlineMs, deps, signal });
}

/** Runs what comes before a hold; whatever goes wrong there is `quiesce-failed`. */
export async function withinReadyTime<T>(
  { name }: { readonly name: string },
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) {
      throw new AfterimageError('cancelled', 'the hold was cancelled', { cause: error });
    }
    if (error instanceof AfterimageError) throw error;
    throw new AfterimageError('quiesce-failed', `${name}: ${messageOf(error)}`, {
      cause: error,
      facts: { recipe: name },
    });
  }
}

function createHold(server: ReadyServer): Hold {
  const { session, freezer } = server;
  const end: ReleaseAction = { kind: 'kill', process: session.identity };
  const release = (thaw: ReleaseAction): ReleaseAction => ({ kind: 'all', actions: [thaw, end] });
  const moved = new AbortController();
  let frozen = false;
  let looking: NodeJS.Timeout | undefined;
  return {
    action: release(freezer.action),
    letGoMsMax: LET_GO_MS_MAX,
    lost: AbortSignal.any([session.gone, moved.signal]),
    async acquire(signal, change) {
      const facts = await server.rest(signal);
      const stopped = await freezer.freeze(signal, (thaw) => change(release(thaw)));
      frozen = true;
      looking = setInterval(() => {
        if (!freezer.isFrozen()) moved.abort(new Error('the server does not stand still'));
      }, LOOK_MS);
      return { ...stopped, ...server.facts, ...facts };
    },
    async letGo() {
      clearInterval(looking);
      const stood = frozen && freezer.isFrozen();
      const problems = await performRelease(freezer.action);
      const woke = await tryToWake(server);
      if (woke !== undefined) problems.push(woke, ...(await performRelease(end)));
      session.close();
      return { problems, intact: stood && woke === undefined };
    },
  };
}

/** Undefined when the server answered as it should. */
async function tryToWake(server: ReadyServer): Promise<string | undefined> {
  try {
    await server.wake(AbortSignal.timeout(LET_GO_MS_MAX / 2));
    return undefined;
  } catch (error) {
    return messageOf(error); // the session is killed, which lets go as well
  }
}
