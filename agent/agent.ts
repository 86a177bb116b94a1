/**
 * The agent: every set of a configuration in one process, each with its own journal, state and
 * session, under one lock of the data folder. What it is made of comes from outside (`main.ts`
 * takes the real parts, tests others).
 */
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.js';
import type { AgentConfig, SetConfig } from '../shared/config/agent-config.js';
import { asAfterimageError } from '../shared/errors.js';
import type { HashCore } from '../shared/hash/hash-core.js';
import type { Log } from '../shared/log.js';
import type { Posix } from '../shared/posix/posix.js';
import { stageCounts } from '../shared/stages.js';
import type { CaptureSource } from './capture/capture-source.js';
import { createCapture } from './capture/choose-source.js';
import { DedupIndex } from './dedup/dedup-index.js';
import { createCloneEngine } from './image/clone-engine.js';
import type { ImageEngine } from './image/image-engine.js';
import { createRoundsEngine } from './image/rounds-engine.js';
import { Journal } from './journal/journal.js';
import { PathFilter } from './plan/path-filter.js';
import { PlacedFiles } from './plan/placed-files.js';
import { SuspectFiles } from './plan/suspect-files.js';
import { WantedBlocks } from './plan/wanted-blocks.js';
import type { SetParts } from './pipeline.js';
import type { QuiesceRecipe } from './quiesce/recipe.js';
import { rangesOfSet } from './ranges/ranges-of-set.js';
import { TrackerOnDemand } from './ranges/tracker-on-demand.js';
import { lockFolder } from '../shared/folder-lock.js';
import { HostRestores } from './restore/host-restores.js';
import { SetKeeper } from './schedule/set-keeper.js';
import { SetRunner } from './schedule/set-runner.js';
import {
  describeSet,
  writeStatusFile,
  type AgentStatus,
  type StatusSet,
} from './schedule/status-file.js';
import type { SetSession } from './ship/session.js';
import { AgentState } from './state.js';
import { pathsOfFile } from './state/paths-of-file.js';
import { BlockMeter } from './workers/block-meter.js';
import { createWorkshop } from './workers/create-workshop.js';
import type { Workshop } from './workers/workshop.js';

export interface AgentDeps {
  /** One session a set; closed by the agent. `spoolFolder` is the set's own. */
  readonly openSession: (set: SetConfig, spoolFolder: string) => SetSession;
  /** Made anew for each sync. */
  readonly recipeOf: (set: SetConfig) => QuiesceRecipe;
  readonly posix: Posix;
  /** A core of its own for each set. */
  readonly createCore: () => HashCore;
  readonly clock: Clock;
  readonly log: Log;
  /** Instead of the configured capture, for tests. */
  readonly captureOf?: (set: SetConfig) => CaptureSource;
}

export interface RunningAgent {
  status(): AgentStatus;
  /** Ends all sets cleanly: nothing stays held, a sync under way is taken back or left ended. */
  stop(): Promise<void>;
}

/** @throws AfterimageError `folder-in-use`, `storage-failed`, `database-version` */
export function runAgent(config: AgentConfig, deps: AgentDeps): RunningAgent {
  const lock = lockFolder(config.dataFolder);
  const sets: SetKeeper[] = [];
  const tracker = new TrackerOnDemand({ posix: deps.posix, log: deps.log });
  const work = createWorkshop({ ...deps, workers: config.workers });
  try {
    sayWhatIsMissing(deps);
    for (const set of config.sets) {
      const log = deps.log.with({ set: set.name });
      sets.push(
        new SetKeeper(
          (state, asked) => openSet(config, { set, state, asked, tracker, work }, deps),
          log,
        ),
      );
    }
  } catch (error) {
    lock.release();
    throw error;
  }
  const startedMs = deps.clock.now();
  const status = (): AgentStatus => ({
    format: 1,
    pid: process.pid,
    startedMs,
    writtenMs: deps.clock.now(),
    native: deps.posix.native,
    notCarried: deps.posix.missing,
    sets: sets.map(({ set }) => describeSet(set)),
    stages: stageCounts(),
  });
  for (const set of sets) set.start();
  const file = writeStatusFile({
    folder: config.dataFolder,
    describe: status,
    onError: (error) => {
      deps.log.error('status.json could not be written', asAfterimageError(error));
    },
  });
  return {
    status,
    async stop() {
      await Promise.all(sets.map((keeper) => keeper.stop()));
      tracker.close();
      await work.close();
      file.close();
      lock.release();
    },
  };
}

function openSet(
  config: AgentConfig,
  {
    set,
    state: how,
    asked,
    tracker,
    work,
  }: {
    readonly set: SetConfig;
    readonly state: 'kept' | 'set-aside';
    readonly asked: readonly string[];
    readonly tracker: TrackerOnDemand;
    readonly work: Workshop;
  },
  deps: AgentDeps,
): StatusSet {
  const folder = join(config.dataFolder, 'sets', set.name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { clock, posix } = deps;
  const log = deps.log.with({ set: set.name });
  const stateFile = join(folder, 'state.db');
  if (how === 'set-aside') setAside(stateFile);
  const state = new AgentState(stateFile);
  const filter = new PathFilter(set);
  forgetOtherFilter(state, filter);
  const own = statSync(config.dataFolder, { bigint: true });
  const session = deps.openSession(set, join(folder, 'spool'));
  const ownFolders = [{ dev: Number(own.dev), ino: own.ino }];
  const restores = new HostRestores({
    set,
    allowed: config.restore,
    folder,
    session,
    place: { filter, ownFolders, guarded: guardedPaths(config), posix, state },
    createCore: deps.createCore,
    clock,
    log,
  });
  const parts: SetParts = {
    name: set.name,
    roots: set.roots,
    roundsMax: set.roundsMax,
    state,
    journal: new Journal({ path: join(folder, 'journal.db'), clock }),
    session,
    wanted: new WantedBlocks(session),
    posix,
    core: deps.createCore(),
    meter: new BlockMeter(),
    work,
    index: new DedupIndex(state, { memoryBytesMax: config.dedupBytesMax }),
    filter,
    engine: createEngine(set, { folder, posix, log }),
    recipe: () => deps.recipeOf(set),
    ownFolders,
    restored: (imageMs) => restores.restored(imageMs),
    ranges: rangesOfSet({
      roots: set.roots,
      setFolder: folder,
      posix,
      log,
      others: [tracker.source()],
    }),
    suspects: new SuspectFiles(),
    placed: new PlacedFiles({ folder: join(folder, 'placed'), posix }),
    clock,
    log,
    sayOnce: sayOnce(log),
  };
  const capture = deps.captureOf?.(set) ?? captureOf(config, set, { log, state });
  const writesIn = [folder, ...set.roots.map((root) => root.path)];
  restores.start();
  return {
    parts,
    restores,
    runner: new SetRunner({ config: set, parts, capture, asked, writesIn }),
  };
}

function guardedPaths({ sets, dataFolder }: AgentConfig): string[] {
  return [dataFolder, ...sets.flatMap(({ roots }) => roots.map(({ path }) => path))];
}

/** Clones where the root's file system can; only the native part can ask it to. */
function createEngine(
  set: SetConfig,
  { folder, posix, log }: { readonly folder: string; readonly posix: Posix; readonly log: Log },
): ImageEngine {
  if (set.image === 'rounds' || !posix.native) return createRoundsEngine();
  return createCloneEngine({ roots: set.roots, setFolder: folder, posix, log });
}

/** Kept for whoever wants to know; one at a time. */
function setAside(database: string): void {
  for (const part of ['', '-wal', '-shm']) {
    const file = `${database}${part}`;
    if (existsSync(file)) renameSync(file, `${database}.damaged${part}`);
  }
}

function captureOf(
  config: AgentConfig,
  set: SetConfig,
  { log, state }: { readonly log: Log; readonly state: AgentState },
): CaptureSource {
  return createCapture({
    ...set.capture,
    roots: set.roots,
    ownFolders: [config.dataFolder],
    pathsOf: (file) => pathsOfFile(state, file),
    log,
  });
}

/** Folders that were found unchanged under other patterns must be looked at again. */
function forgetOtherFilter(state: AgentState, filter: PathFilter): void {
  if (state.note('filter')?.equals(filter.digest) === true) return;
  state.dropFingerprints();
  state.setNote('filter', filter.digest);
  state.flush();
}

function sayWhatIsMissing({ posix, log }: AgentDeps): void {
  if (posix.missing.length === 0) return;
  log.warn('the native part is not built; some metadata is not carried', {
    notCarried: posix.missing.join(', '),
  });
}

const SAID_MAX = 1_000;

function sayOnce(log: Log): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (said.has(message) || said.size >= SAID_MAX) return;
    said.add(message);
    log.info(message);
  };
}
