/**
 * One sync of one set, from the journal to the committed point, on one screen:
 *
 *   journal mark → look at the tree and say what differs, in rounds, the last one with the
 *   application held (image, plan, dedup) → store what was said → `end` → the replica's verdict →
 *   the state is the new point's, or that of the old one.
 *
 * Records go to the set's session (ship) as they are found; nothing is held back but what waits for
 * a `has` answer. A sync that fails is taken back whole: hashes it made are kept (R12), numbers it
 * used are never used again (R1).
 */
import { AfterimageError, asAfterimageError } from '../shared/errors.js';
import type { Clock } from '../shared/clock.js';
import type { HashCore } from '../shared/hash/hash-core.js';
import type { Log } from '../shared/log.js';
import type { Posix } from '../shared/posix/posix.js';
import type { Divergence, SyncOutcome } from '../shared/protocol/sync-outcome.js';
import { TimeSlice } from '../shared/time-slice.js';
import { BlockOutlet } from './dedup/block-outlet.js';
import type { DedupIndex } from './dedup/dedup-index.js';
import type { ImageEngine, ImageTaken, LookOptions, RoundFound } from './image/image-engine.js';
import type { Journal } from './journal/journal.js';
import type { Target } from './journal/target.js';
import { Findings } from './plan/findings.js';
import type { RootPath } from './plan/open-roots.js';
import { Pause } from './plan/pause.js';
import type { PathFilter } from './plan/path-filter.js';
import type { FolderIdentity, PlanParts } from './plan/plan-parts.js';
import { targetsBelow, type PlacedFiles } from './plan/placed-files.js';
import { RecordOutlet } from './plan/record-outlet.js';
import { digestsOf, sendWanted, sendWhole } from './plan/sent-anew.js';
import { describeOutcome, type Operation } from './plan/sync-report.js';
import { VerdictListener, type SyncVerdict } from './plan/sync-verdict.js';
import { orStopped, stoppable } from './plan/stoppable-session.js';
import type { SuspectFiles } from './plan/suspect-files.js';
import { TreeWalk } from './plan/tree-walk.js';
import type { WantedBlocks } from './plan/wanted-blocks.js';
import type { QuiesceRecipe } from './quiesce/recipe.js';
import type { RangeSource } from './ranges/range-source.js';
import type { SetSession } from './ship/session.js';
import type { AgentState } from './state.js';
import type { BlockMeter } from './workers/block-meter.js';
import type { Workshop } from './workers/workshop.js';

/** A set as the pipeline sees it. One sync at a time. */
export interface SetParts {
  readonly name: string;
  readonly roots: readonly RootPath[];
  readonly roundsMax: number;
  readonly state: AgentState;
  readonly journal: Journal;
  readonly session: SetSession;
  readonly posix: Posix;
  /** Of this set alone: its batch buffer is in use while a sync runs. */
  readonly core: HashCore;
  readonly work: Workshop;
  readonly meter: BlockMeter;
  readonly index: DedupIndex;
  readonly filter: PathFilter;
  readonly engine: ImageEngine;
  readonly recipe: () => QuiesceRecipe;
  /** What the replica asked to be sent again. */
  readonly wanted?: Pick<WantedBlocks, 'take'>;
  readonly ownFolders: readonly FolderIdentity[];
  readonly suspects?: SuspectFiles;
  /** Files of points that are in none of the roots. */
  readonly placed?: PlacedFiles;
  /** Where large files may have changed; undefined: they are hashed whole. */
  readonly ranges?: RangeSource | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly sayOnce: (message: string) => void;
  readonly restored?: (imageMs: number) => SyncOutcome['restored'];
}

export interface SyncRequest {
  readonly operation: Operation;
  /** Cut a point even when nothing changed. */
  readonly always: boolean;
  /** Requests for a sync that this one answers, since it begins after they were made. */
  readonly requests?: readonly string[];
  readonly signal: AbortSignal;
  /** When the last sync released the application, ms since the epoch; undefined for none. */
  readonly releasedMs?: number | undefined;
  /** Why everything is compared; undefined when it is not. */
  readonly healed?: Divergence | undefined;
  /**
   * Given where changes are reported completely and in order (R17). Resolves once all that happened
   * before the call is in the journal; false when that does not hold any more: then everything is
   * looked at, as without it.
   */
  readonly drain?: (() => Promise<boolean>) | undefined;
  /** Since the start of the last look at everything, ms; undefined when there was none. */
  readonly scanAgeMs?: number | undefined;
}

/** More than this is not looked at one by one: a walk of everything costs less. */
const TARGETS_MAX = 20_000;
/** What a hold does to files is done by then: a database closed, a hook's traces. */
const ECHO_MS = 100;

export type SyncResult =
  | ({ readonly type: 'unchanged'; readonly unsettled: number } & Looked)
  | ({
      readonly type: 'committed';
      readonly sync: number;
      readonly point: number;
      readonly timeMs: number;
      readonly unsettled: number;
      readonly nodesChanged: number;
      /** When the application was released; undefined when it was not held. */
      readonly releasedMs: number | undefined;
    } & Looked)
  /** The replica's newest state is not ours: it must be fetched before the next sync. */
  | Extract<SyncVerdict, { type: 'diverged' }>;

export interface Looked {
  readonly looked: 'everything' | 'targets';
  /** What is not settled; undefined when it is too much to be named. */
  readonly again: readonly Target[] | undefined;
}

/**
 * Stopped by `signal` after `end` was sent, the sync stays in flight: HELLO tells what became of it.
 * @throws AfterimageError what kept the sync from being committed; the state is the parent's again
 */
export async function syncSet(set: SetParts, request: SyncRequest): Promise<SyncResult> {
  // One that could not be taken back or stored when it was over, as on a full disk.
  await set.state.endFlight(new TimeSlice());
  settleRanges(set);
  set.meter.begin();
  try {
    return await syncOnce(set, request);
  } finally {
    set.meter.end();
    settleRanges(set);
  }
}

/** What looks at large files left behind follows the state, whatever became of the sync. */
function settleRanges({ ranges, state }: SetParts): void {
  if (state.flight === undefined) ranges?.settle((node) => state.bases.get(node));
}

async function syncOnce(set: SetParts, request: SyncRequest): Promise<SyncResult> {
  sendWanted(set);
  const recipe = set.recipe();
  const ordered = (await request.drain?.()) === true;
  const { continuityMs } = set.journal;
  const journalTo = set.journal.mark();
  const targets = ordered ? set.journal.targets(0, TARGETS_MAX) : undefined;
  const sync = set.state.openSync();
  const listener = new VerdictListener(sync);
  const { refusal } = listener;
  const told = { request, recipe, journalTo, continuityMs, refusal, targets };
  const plan = openPlan(set, { sync, ...told });
  let releasedMs: number | undefined;
  listener.listen(set.session);
  try {
    const image = await takeImage(set, plan, request);
    if (!plan.outlet.begun && !request.always) return unchanged(set, plan);
    releasedMs = image.releasedMs;
    await endSync(set, { plan, image, request, listener });
  } catch (error) {
    if (listener.known !== undefined) return await obey(set, plan, listener.known);
    listener.close();
    const mayHaveEnded = request.signal.aborted && set.state.flight?.phase === 'ended';
    if (!mayHaveEnded) await takeBack(set, plan);
    throw asAfterimageError(error);
  } finally {
    if (set.state.flight?.phase !== 'ended') listener.close();
  }
  try {
    const verdict = await listener.wait(request.signal);
    return await obey(set, plan, verdict, releasedMs);
  } finally {
    listener.close();
  }
}

function unchanged(set: SetParts, plan: Plan): SyncResult {
  set.state.keepUnsent();
  set.journal.reconciled(plan.journalTo);
  return { type: 'unchanged', unsettled: plan.findings.unsettled, ...lookedOf(plan) };
}

function lookedOf({ targets, findings }: Plan): Looked {
  return { looked: targets === undefined ? 'everything' : 'targets', again: findings.again };
}

async function obey(
  set: SetParts,
  plan: Plan,
  verdict: SyncVerdict,
  releasedMs?: number,
): Promise<SyncResult> {
  switch (verdict.type) {
    case 'committed': {
      const { point, timeMs } = verdict;
      const { unsettled, nodesChanged } = plan.findings;
      set.state.commitSync(verdict);
      set.index.trustAll();
      set.journal.reconciled(plan.journalTo);
      const told = { sync: plan.sync, point, timeMs, unsettled, nodesChanged, releasedMs };
      return { type: 'committed', ...told, ...lookedOf(plan) };
    }
    case 'refused': {
      const digests = digestsOf(set, verdict.wants);
      await takeBack(set, plan);
      sendWhole(set, verdict.wants, digests);
      throw verdict.error;
    }
    case 'lost':
      await takeBack(set, plan);
      throw new AfterimageError('session-stale', 'the replica lost this sync; it is planned anew');
    case 'diverged':
      await takeBack(set, plan);
      return verdict;
  }
}

interface Plan extends PlanParts {
  readonly outlet: RecordOutlet;
  readonly blocks: BlockOutlet;
  readonly findings: Findings;
  readonly sync: number;
  /** Journal sequence when the sync began: what was recorded up to it, the sync covers. */
  readonly journalTo: number;
  /** Without a gap for so long when the sync began. */
  readonly continuityMs: number;
  readonly recipe: QuiesceRecipe;
  /** Aborted when the agent stops, or when the replica refused the sync already. */
  readonly signal: AbortSignal;
  readonly sentBefore: number;
  /** All that need be looked at; undefined for everything. */
  readonly targets: readonly Target[] | undefined;
}

function openPlan(
  set: SetParts,
  sync: {
    readonly sync: number;
    readonly request: SyncRequest;
    readonly recipe: QuiesceRecipe;
    readonly journalTo: number;
    readonly continuityMs: number;
    readonly refusal: AbortSignal;
    readonly targets: readonly Target[] | undefined;
  },
): Plan {
  const signal = AbortSignal.any([sync.request.signal, sync.refusal]);
  const { state, index, clock } = set;
  const session = stoppable(set.session, signal);
  const { point, chain } = state.committed;
  const { incarnation } = state;
  const startedMs = clock.now();
  const outlet = new RecordOutlet(session, () => ({
    type: 'begin',
    sync: sync.sync,
    parentPoint: point,
    parentChain: chain,
    incarnation,
    startedMs,
  }));
  const blocks = new BlockOutlet(outlet, index, session);
  blocks.eager = state.digests.anyProvisional || sync.request.operation === 'reconcile';
  const pause = new Pause(state, signal);
  return {
    ...set,
    session,
    outlet,
    blocks,
    pause,
    findings: new Findings(),
    sync: sync.sync,
    signal,
    journalTo: sync.journalTo,
    continuityMs: sync.continuityMs,
    recipe: sync.recipe,
    placed: sync.recipe.backup === undefined ? undefined : set.placed,
    sentBefore: set.session.sentBytes,
    targets: sync.targets,
  };
}

/** Every round looks for itself: at all that was reported where nothing else can have changed (R17), else at everything. */
async function takeImage(set: SetParts, plan: Plan, request: SyncRequest): Promise<ImageTaken> {
  const { engine, clock, log, session, roundsMax } = set;
  const { outlet, blocks, findings } = plan;
  const walk = new TreeWalk(plan);
  const after = (mark: number): Target[] | undefined => set.journal.targets(mark, TARGETS_MAX);
  const since = async (): Promise<Target[] | undefined> =>
    (await request.drain?.()) === true ? after(plan.journalTo) : undefined;
  // Paths are told as they are now: in a snapshot they lead elsewhere once a folder moved.
  const untilNow = async (): ReturnType<typeof since> =>
    (await since())?.every(({ look }) => look !== 'deep') ? after(0) : undefined;
  const look = async (options: LookOptions): Promise<RoundFound> => {
    const before = { records: outlet.records, bytes: outlet.literalBytes };
    const { folders } = options;
    if (folders === undefined) findings.unsettled = 0;
    // A snapshot holds what was done up to it, whenever that was reported.
    const { snapshot } = options;
    const late = snapshot !== undefined && plan.targets !== undefined;
    const only = folders && targetsBelow(walk.placing.roots, folders);
    const targets = only ?? (late ? await untilNow() : plan.targets);
    const again = only === undefined ? since : () => Promise.resolve(only);
    const looking = snapshot === undefined ? walk : new TreeWalk({ ...plan, ...snapshot });
    try {
      await looking.run({ ...options, targets, ...(targets && { since: again }) });
    } finally {
      if (looking !== walk) looking.close();
    }
    return {
      records: outlet.records - before.records,
      bytes: outlet.literalBytes - before.bytes,
    };
  };
  const { placed } = set;
  placed?.begin();
  try {
    const taken = await engine.take({
      look,
      place: async (files) => {
        for (const file of files) await placed?.place(walk.placing, file);
      },
      readHeldFiles: () => walk.readHeldFiles(),
      movedWhileHeld: () => {
        walk.checkHeldReads();
        return findings.movedPaths;
      },
      hold: (held) => {
        blocks.silent = held;
        session.hold(held);
      },
      recipe: plan.recipe,
      roundsMax,
      always: request.always,
      isEcho: () => {
        const untilMs = (request.releasedMs ?? -Infinity) + ECHO_MS;
        return Number(findings.newestChangeNs / 1_000_000n) <= untilMs;
      },
      clock,
      log,
      signal: plan.signal,
    });
    const cut = outlet.begun || request.always ? 'point' : 'nothing';
    await placed?.settle(walk.placing, cut);
    return taken;
  } finally {
    walk.close();
  }
}

/** What was said is durable here before the replica can commit it (R13). */
async function endSync(
  set: SetParts,
  said: {
    readonly plan: Plan;
    readonly image: ImageTaken;
    readonly request: SyncRequest;
    readonly listener: VerdictListener;
  },
): Promise<void> {
  const { state, session, journal } = set;
  const { plan, image, request } = said;
  await plan.outlet.begin();
  // What is said so far leaves now, so that the count of bytes is whole.
  session.flush();
  const outcome = describeOutcome({
    recipe: plan.recipe.name,
    image,
    operation: request.operation,
    healed: request.healed,
    continuityMs: plan.continuityMs,
    scanAgeMs: plan.targets === undefined ? 0 : (request.scanAgeMs ?? 0),
    requests: request.requests ?? [],
    restored: set.restored?.(image.imageMs),
    roots: set.roots,
    notCarried: set.posix.missing,
    journal: { from: journal.committed, to: plan.journalTo },
    findings: plan.findings,
    bytesSent: session.sentBytes - plan.sentBefore,
    agentBlockMsMax: set.meter.blockMsMax,
  });
  const end = { type: 'end' as const, sync: plan.sync, outcome };
  await state.flushAhead();
  state.endSync(session.manifestDigest(end));
  said.listener.ends();
  const wait = session.write(end);
  // A replica that is stalled or away holds up no stop of the agent.
  if (wait !== undefined) await orStopped(wait, request.signal);
  session.flush();
}

async function takeBack({ state, session }: SetParts, plan: Plan): Promise<void> {
  session.drop();
  session.hold(false);
  plan.blocks.silent = false;
  await state.dropSync(new TimeSlice());
}
