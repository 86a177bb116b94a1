/**
 * Jobs of kind `restore` that the set's agent carries out on its host: an undo point first, then the
 * order, watched until the agent says how it ended, then the point that holds what was restored. It goes
 * on after a restart of either side; who cancels it leaves what is restored by then.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobResult } from '../../shared/api/jobs.js';
import { type RestoreJobRequest, restoreJobSchema } from '../../shared/api/restore-job.js';
import { AfterimageError, asAfterimageError, messageOf } from '../../shared/errors.js';
import { errorCodeOf } from '../../shared/protocol/hello.js';
import {
  ORDER_BYTES_MAX,
  type RestoreOrder,
  type RestoreReportMessage,
} from '../../shared/protocol/restore-question.js';
import { type AnyJobKind, type JobContext, jobKind } from '../jobs/job-kind.js';
import type { Receiver } from '../receive/receiver.js';
import { askedPoint, askWhenThere } from '../serve/asked-point.js';
import { findPoint, findSet } from '../serve/requests.js';
import { checkPaths } from '../serve/check-paths.js';
import type { ServedSet, SetActivity } from '../serve/served-set.js';
import type { AgentOrders, OpenOrder } from './agent-orders.js';
import { restoreResult } from './restore-result.js';
import type { UndoHolds } from './undo-holds.js';

const LOOK_MS = 500;
/** An agent tells every second how far it is; silent for longer, it is told of the order again. */
const SILENT_MS_MAX = 5_000;
/** A point usually comes within this time; later somebody wonders why none does. */
const WHY_MS = 10_000;
/** What an agent has to hear that nobody wants the restore any more. */
const CALL_OFF_MS = 15_000;
/** What was restored is in a point by then, or in one that comes later. */
const RESULT_POINT_MS = 600_000;
const DAY_MS = 24 * 3600 * 1000;

export interface RestoreByAgentDeps {
  readonly sets: () => readonly ServedSet[];
  readonly receiver: Pick<Receiver, 'sessions' | 'askRestore'>;
  readonly orders: AgentOrders;
  readonly undo: UndoHolds;
  /** Ms since the epoch. */
  readonly now: () => number;
  /** How long a job waits for its undo point before it says why none comes. */
  readonly whyMs?: number;
}

/** What an attempt after an interruption goes on with. */
interface Saved {
  readonly order?: string | undefined;
  readonly undoPoint?: number;
  readonly ended?: Ended;
  /** It ended, by a failure or an operator: who resumes it does so some time later. */
  readonly stopped?: boolean;
}

type Final = Exclude<RestoreReportMessage, { state: 'running' }>;
type Ended = Extract<RestoreReportMessage, { state: 'done' }>;
type Context = JobContext<RestoreJobRequest>;

export function restoreByAgent(deps: RestoreByAgentDeps): AnyJobKind {
  return jobKind({
    kind: 'restore',
    where: 'agent',
    schema: restoreJobSchema,
    role: 'operator',
    about: 'set',
    effect: 'changes',
    afterInterruption: 'goes-on',
    settle: (set, request) => settle(deps, set, request),
    run: (context) => new AgentRestore(deps, context).run(),
  });
}

function settle(
  { sets, receiver }: RestoreByAgentDeps,
  set: string,
  request: RestoreJobRequest,
): RestoreJobRequest {
  if (request.target !== 'in-place' && 'folder' in request.target) {
    const message = 'target: an agent restores in-place, or with {beside: folder} into a folder';
    throw new AfterimageError('argument-invalid', message);
  }
  if (JSON.stringify(request.paths).length > ORDER_BYTES_MAX / 2) {
    throw new AfterimageError('argument-invalid', 'paths: too long together; ask for fewer');
  }
  const served = findSet(sets(), set);
  const { point } = findPoint(served, request.point);
  checkPaths(served, point, request.paths);
  const session = receiver.sessions().find((each) => each.set === set);
  if (session?.live !== true) {
    throw new AfterimageError('agent-away', `the agent of set ${set} is not connected`);
  }
  if (session.restores === 'in-place') return { ...request, point: String(point) };
  throw new AfterimageError(
    'restore-refused',
    session.restores === 'none'
      ? `agent ${session.agent} allows no restores to its host: restore.allow of its configuration is none`
      : `agent ${session.agent} cannot restore yet: bring it up to the replica's version`,
    { facts: { agent: session.agent, set } },
  );
}

class AgentRestore {
  readonly #deps: RestoreByAgentDeps;
  readonly #context: Context;
  #saved: Saved;

  constructor(deps: RestoreByAgentDeps, context: Context) {
    this.#deps = deps;
    this.#context = context;
    this.#saved = context.saved ?? {};
  }

  async run(): Promise<JobResult> {
    const { id, request, isInterrupted } = this.#context;
    const undo = this.#deps.undo.keepFor(id);
    try {
      return await this.#restore();
    } catch (error) {
      // An order that failed is told again as it ended: who resumes the job wants another.
      if (!isInterrupted()) this.#save({ order: undefined, stopped: true });
      throw error;
    } finally {
      if (!isInterrupted()) undo.done(this.#deps.now() + request.undoDays * DAY_MS);
    }
  }

  async #restore(): Promise<JobResult> {
    const { request, set } = this.#context;
    const point = Number(request.point);
    const inPlace = request.target === 'in-place' && !request.dryRun;
    if (inPlace && request.undoPoint && this.#saved.ended === undefined) await this.#secureUndo();
    const ended = this.#saved.ended ?? (await this.#carryOut(point));
    this.#save({ ended });
    for (const { action, path } of ended.planned) this.#context.log(`${action} ${path}`);
    const resultPoint = inPlace ? await this.#resultPoint() : undefined;
    const { undoPoint } = this.#saved;
    return restoreResult({
      ...ended,
      set,
      point,
      dryRun: request.dryRun,
      points: {
        ...(undoPoint === undefined ? {} : { undoPoint }),
        ...(resultPoint === undefined ? {} : { resultPoint }),
      },
    });
  }

  get #served(): ServedSet {
    return findSet(this.#deps.sets(), this.#context.set);
  }

  #save(more: Saved): void {
    this.#saved = { ...this.#saved, ...more };
    this.#context.save(this.#saved);
  }

  /**
   * Nothing is written before a point of what stands there now is held. One from before an interruption
   * counts, as nobody but this job knows of it; after a stop others may have written, so it is cut anew,
   * and what was there at first stays the point that takes the restore back.
   */
  async #secureUndo(): Promise<void> {
    const { id, set } = this.#context;
    const held = this.#deps.undo.of(id);
    if (held === undefined || this.#saved.stopped === true) {
      const point = await this.#cutUndo();
      const { request } = this.#context;
      const untilMs = this.#deps.now() + request.undoDays * DAY_MS;
      const date = new Date(untilMs).toISOString().slice(0, 10);
      const reason = `undo point of ${id}, which restores point ${request.point}; held until ${date}`;
      const hold = this.#deps.undo.hold({ set, point, job: id, reason, untilMs });
      this.#context.say(
        held === undefined
          ? `point ${point} takes the restore back; it is kept by ${hold}`
          : `point ${point} is what stood there when this was resumed, point ${held.point} what stood there at first; both are kept`,
      );
    }
    const undoPoint = this.#deps.undo.of(id)?.point;
    this.#save({ stopped: false, ...(undoPoint === undefined ? {} : { undoPoint }) });
  }

  async #cutUndo(): Promise<number> {
    const { id, signal, attempt } = this.#context;
    this.#context.progress({ step: 'undo point' });
    this.#context.say('a point of what stands there now is cut first');
    const watching = new AbortController();
    const told = this.#tellWhyNone(watching.signal).catch((error: unknown) => {
      this.#context.log(`why no point comes is not known: ${messageOf(error)}`, 'warn');
    });
    try {
      const undo = await this.#askedPoint(`${id}-undo-${attempt}`, signal);
      if (undo === null) throw new AfterimageError('cancelled', 'no undo point was cut yet');
      return undo;
    } finally {
      watching.abort();
      await told;
    }
  }

  /** Says why no point comes, whenever that is something else. */
  async #tellWhyNone(ended: AbortSignal): Promise<void> {
    let said: string | undefined;
    await pause(this.#deps.whyMs ?? WHY_MS, ended);
    while (!ended.aborted) {
      const why = whyNoPoint(this.#served.activity());
      if (why !== said) this.#context.say(`no undo point yet: ${why}`, 'warn');
      said = why;
      await pause(LOOK_MS, ended);
    }
  }

  /** Null when waiting was given up. */
  async #askedPoint(request: string, signal: AbortSignal): Promise<number | null> {
    const served = this.#served;
    const asked = askedPoint(served, { request, signal });
    try {
      const onAway = (): void => {
        this.#sayAway();
      };
      await askWhenThere(served, { request, signal, onAway });
    } catch (error) {
      asked.drop();
      throw error;
    }
    return (await asked.point)?.point ?? null;
  }

  /** What holds the restored state; undefined when no such point comes soon. */
  async #resultPoint(): Promise<number | undefined> {
    const { id, signal, attempt } = this.#context;
    this.#context.progress({ step: 'point of the result' });
    this.#context.say('restored; a point of it is cut');
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(RESULT_POINT_MS)]);
    try {
      const point = await this.#askedPoint(`${id}-done-${attempt}`, timeout);
      return point ?? undefined;
    } catch (error) {
      this.#context.log(`no point of the result yet: ${asAfterimageError(error).message}`, 'warn');
      return undefined;
    }
  }

  /** Returns how it ended; throws what it failed with. */
  async #carryOut(point: number): Promise<Ended> {
    for (;;) {
      const report = await this.#oneOrder(point);
      if (report.state === 'done') return report;
      if (report.state === 'failed') {
        throw new AfterimageError(errorCodeOf(report.code), report.message);
      }
      this.#stopIfAsked();
      // Called off by a replica that stopped, or forgotten by one that was set back: ordered anew.
      this.#context.log(`the agent stopped: ${report.message}; it is asked again`, 'warn');
      this.#save({ order: this.#newOrder() });
    }
  }

  #newOrder(): string {
    return `${this.#context.id}-${randomBytes(4).toString('hex')}`;
  }

  async #oneOrder(point: number): Promise<Final> {
    const id = this.#saved.order ?? this.#newOrder();
    if (this.#saved.order === undefined) this.#save({ order: id });
    const order = this.#orderOf(point, id);
    const told: { final?: Final } = {};
    const wake = new AbortController();
    const open = this.#deps.orders.open({
      set: this.#context.set,
      order,
      open: () => this.#served.reader.open(point),
      onReport: (report) => {
        if (report.state === 'running') {
          this.#context.progress({ bytes: report.bytes, files: report.entries });
          return;
        }
        told.final = report;
        wake.abort();
      },
    });
    this.#context.progress({ step: order.effect === 'plan' ? 'planning' : 'restoring' });
    try {
      await this.#watch(open, order.id, wake.signal);
    } finally {
      open.close();
    }
    if (told.final !== undefined) return told.final;
    throw new AfterimageError('cancelled', 'the restore is called off');
  }

  #orderOf(point: number, id: string): RestoreOrder {
    const { paths, target, conflict, orphans, aside, dryRun } = this.#context.request;
    const { outcome } = findPoint(this.#served, String(point));
    return {
      id,
      label: this.#context.id,
      point,
      imageMs: outcome.imageMs,
      paths,
      // What has another target is refused when it is asked for.
      target: target === 'in-place' || 'folder' in target ? 'in-place' : target,
      conflict,
      orphans,
      aside: aside ?? `afterimage-aside-${this.#context.id}`,
      effect: dryRun ? 'plan' : 'write',
    };
  }

  /** Until `ended` is aborted, the job is cancelled and the agent had its time, or the replica stops. */
  async #watch(open: OpenOrder, order: string, ended: AbortSignal): Promise<void> {
    const { signal } = this.#context;
    const callOff = (): void => {
      if (!this.#context.isInterrupted()) open.callOff();
    };
    signal.addEventListener('abort', callOff, { once: true });
    let calledOffMs: number | undefined;
    let isTold = false;
    let isAway = false;
    while (!ended.aborted) {
      if (signal.aborted) {
        if (this.#context.isInterrupted()) return;
        open.callOff();
        calledOffMs ??= performance.now();
        if (performance.now() - calledOffMs > CALL_OFF_MS) return;
      } else if (!isTold || open.silentMs > SILENT_MS_MAX) {
        const heard = await this.#tell(order);
        if (!heard && !isAway) this.#sayAway();
        if (heard && isAway) this.#context.say('the agent is back');
        isTold ||= heard;
        isAway = !heard;
      }
      await pause(LOOK_MS, ended);
    }
  }

  /** Whether the agent has heard of the order, perhaps not for the first time. */
  async #tell(order: string): Promise<boolean> {
    const { set } = this.#context;
    const session = this.#deps.receiver.sessions().find((each) => each.set === set);
    if (session?.live !== true) return false;
    try {
      await this.#deps.receiver.askRestore({ agent: session.agent, set, order });
      return true;
    } catch (error) {
      if (error instanceof AfterimageError && error.code === 'agent-away') return false;
      throw error;
    }
  }

  #sayAway(): void {
    this.#context.say('the agent is away; this goes on when it is back');
  }

  #stopIfAsked(): void {
    if (!this.#context.signal.aborted) return;
    throw new AfterimageError('cancelled', 'the restore was called off; what it wrote stays', {
      cause: this.#context.signal.reason,
    });
  }
}

/** The agent tells how well it knows the set, not why: a gap in what it knows is as far as that goes. */
function whyNoPoint({ agentConnected, error, continuityMs }: SetActivity): string {
  if (!agentConnected) return 'the agent is away';
  if (error !== null) return error.message;
  return continuityMs === 0
    ? 'the agent does not see all of the set: is a root missing, or not mounted? Bring it back, or cancel this and ask for undoPoint: false, which cannot be taken back'
    : 'the agent has not finished one';
}

async function pause(ms: number, ended: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal: ended });
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}
