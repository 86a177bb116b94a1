/**
 * Where jobs are asked for, run, cancelled and looked up. What is under way is in memory and written
 * at most once a second; listeners hear of each job at most four times a second. A replica that stops
 * leaves its running jobs `interrupted`; the next one takes up those whose kind says so.
 */
import type { JobJson, JobKindName, JobLogAnswer, JobsAnswer } from '../../shared/api/jobs.js';
import { toProblem } from '../../shared/api/problem.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { AnyJobKind } from './job-kind.js';
import { JobKeeper, type JobKeeperDeps } from './job-keeper.js';
import type { JobRow, ListRequest, RequestJson } from './job-store.js';
import { defaultLanes, type LaneJob, type LaneSizes, startable } from './lanes.js';
import type { JobEnd, LiveJob } from './live-job.js';
import { abilitiesOf, isBegunByAgent, parseJobId, presentJob } from './present-job.js';

/** Jobs that wait or run at the same time. */
const OPEN_MAX = 500;
/** A job that ended with the replica so often is not begun again by itself: it may be the reason. */
const ATTEMPTS_MAX = 5;

export interface JobDeskDeps extends Omit<JobKeeperDeps, 'present'> {
  readonly kinds: readonly AnyJobKind[];
  readonly lanes?: LaneSizes;
}

interface Open extends LaneJob {
  readonly live: LiveJob;
  /** None for a sync that its agent began. */
  readonly work: AnyJobKind | undefined;
  running: Promise<void> | undefined;
}

/** A job whose work is done elsewhere; its follower says what becomes of it. */
export type FollowedJob = Pick<LiveJob, 'progress' | 'say' | 'save' | 'saved' | 'id'> & {
  end(end: JobEnd): void;
};

export class JobDesk {
  readonly #deps: JobDeskDeps;
  readonly #open = new Map<number, Open>();
  /** Syncs of agents that an earlier process followed, until the follower takes or ends them. */
  readonly #left = new Map<number, LiveJob>();
  readonly #keeper: JobKeeper;
  #closing = false;

  constructor(deps: JobDeskDeps) {
    this.#deps = deps;
    this.#keeper = new JobKeeper({ ...deps, present: (live) => this.#present(live) });
  }

  /** Takes up what an earlier process left. */
  start(): void {
    const { store } = this.#deps;
    for (const row of store.open()) {
      const live = this.#keeper.live(row);
      if (isBegunByAgent(row.request)) this.#left.set(row.id, live);
      else this.#takeUp(live, row);
    }
    this.#startQueued();
  }

  /**
   * Queues a job, or starts it. Throws `argument-invalid` for a request that its kind does not
   * understand, what its kind says against it, and `too-many-jobs`.
   */
  begin(asked: {
    readonly kind: JobKindName;
    /** '' for the whole replica. */
    readonly set: string;
    readonly by: string;
    readonly request: RequestJson;
  }): JobJson {
    const kind = this.kindOf(asked.kind, asked.request);
    if (this.#open.size >= OPEN_MAX || this.#closing) {
      throw new AfterimageError('too-many-jobs', `${this.#open.size} jobs wait or run`);
    }
    const checked = checkedRequest(kind, asked.request);
    const settled = kind.settle === undefined ? checked : kind.settle(asked.set, checked);
    const request = settled as RequestJson;
    const row = this.#keeper.add({ ...asked, request });
    const live = this.#keeper.live(row);
    this.#enqueue(live, kind);
    return this.#present(live);
  }

  /** Throws `argument-invalid` when nothing here does such jobs. */
  kindOf(name: JobKindName, request: RequestJson): AnyJobKind {
    const kinds = this.#deps.kinds.filter(({ kind }) => kind === name);
    const found =
      kinds.find(({ where }) => where !== undefined && where === request.where) ??
      kinds.find(({ where }) => where === undefined);
    if (found !== undefined) return found;
    const where = typeof request.where === 'string' ? ` by the ${request.where}` : '';
    throw new AfterimageError('argument-invalid', `no job of kind ${name}${where} is done here`);
  }

  /** Throws `not-found`. */
  get(id: string): JobJson {
    const number = parseJobId(id);
    const live = this.#liveOf(number);
    if (live !== undefined) return this.#present(live);
    const row = this.#stored(number);
    return presentJob(row, abilitiesOf(row));
  }

  list(
    request: Omit<ListRequest, 'before'> & { readonly before?: string | undefined },
  ): JobsAnswer {
    const before = request.before === undefined ? undefined : parseJobId(request.before);
    // States and progress in memory are ahead of the rows by a second at most.
    this.#keeper.write();
    const rows = this.#deps.store.list({ ...request, before });
    const last = rows.at(-1);
    return {
      jobs: rows.map((row) => {
        const live = this.#liveOf(row.id);
        return live === undefined ? presentJob(row, abilitiesOf(row)) : this.#present(live);
      }),
      next: rows.length === request.limit && last !== undefined ? `job-${last.id}` : null,
    };
  }

  log(id: string, page: { readonly after: number; readonly limit: number }): JobLogAnswer {
    const number = parseJobId(id);
    this.#keeper.write();
    const row = this.#stored(number);
    const lines = this.#deps.store.lines(number, page);
    const last = lines.at(-1);
    return {
      lines,
      dropped: row.droppedLines,
      next: lines.length === page.limit && last !== undefined ? last.line : null,
    };
  }

  /** Throws `job-state` for one that has ended, or that cannot be called off from here. */
  cancel(id: string, by: string): JobJson {
    const number = parseJobId(id);
    const open = this.#open.get(number);
    if (open?.work === undefined) {
      const { state } = this.#liveOf(number) ?? this.#stored(number);
      throw new AfterimageError('job-state', `${id} is ${state} and cannot be cancelled`, {
        facts: { job: id, state },
      });
    }
    const { live } = open;
    live.stopping = 'cancelled';
    if (live.state === 'queued')
      this.#end(open, cancelledEnd(`cancelled by ${by} before it began`));
    else {
      live.say(`being cancelled by ${by}`);
      live.abort.abort(new AfterimageError('cancelled', `cancelled by ${by}`));
    }
    return this.#present(live);
  }

  /** Queues a job again that was interrupted, cancelled or failed. Throws `job-state`. */
  resume(id: string, by: string): JobJson {
    const number = parseJobId(id);
    const row = this.#stored(number);
    if (this.#liveOf(number) !== undefined || !abilitiesOf(row).canResume) {
      throw new AfterimageError('job-state', `${id} is ${row.state} and cannot go on`, {
        facts: { job: id, state: row.state },
      });
    }
    const live = this.#keeper.live(row);
    live.queue();
    live.log(`resumed by ${by}`);
    this.#enqueue(live, this.kindOf(row.kind, row.request));
    return this.#present(live);
  }

  /** A sync that an agent began: the job that was left of it, by what was saved there, or a new one. */
  follow(asked: {
    readonly set: string;
    readonly by: string;
    readonly isSame: (saved: unknown) => boolean;
    readonly saved: unknown;
  }): FollowedJob {
    const { set, by } = asked;
    const left = [...this.#left.values()].find(
      (live) => live.row().set === set && asked.isSame(live.saved),
    );
    const request = { begun: 'agent' };
    const live = left ?? this.#keeper.live(this.#keeper.add({ kind: 'sync', set, by, request }));
    this.#left.delete(live.id);
    const open = this.#opened(live, undefined);
    live.start();
    live.save(asked.saved);
    this.#keeper.changed(live);
    return {
      id: live.id,
      saved: live.saved,
      progress: (update) => {
        live.progress(update);
      },
      say: (text, level) => {
        live.say(text, level);
      },
      save: (state) => {
        live.save(state);
      },
      end: (end) => {
        this.#end(open, end);
      },
    };
  }

  /** Ends what `follow` was not asked for again, of this set. */
  endLeft(set: string, endOf: (saved: unknown) => JobEnd): void {
    for (const live of [...this.#left.values()]) {
      if (live.row().set !== set) continue;
      this.#left.delete(live.id);
      this.#end(this.#opened(live, undefined), endOf(live.saved));
    }
  }

  /** Whether a job of this set that was asked for waits for a sync: then a sync is that job's. */
  running(kind: JobKindName, set: string): readonly LiveJob[] {
    return [...this.#open.values()]
      .filter((open) => open.kind === kind && open.set === set && open.running !== undefined)
      .map(({ live }) => live);
  }

  /** Points of a set that open jobs are about: retention leaves them alone, though none is read yet. */
  pointsWanted(set: string): ReadonlySet<number> {
    const points = [...this.#open.values()]
      .filter((open) => open.set === set)
      .map(({ live }) => Number(live.row().request.point))
      .filter(Number.isInteger);
    return new Set(points);
  }

  /** Stops what runs; it is `interrupted`, and so is found by the next process. */
  async close(): Promise<void> {
    this.#closing = true;
    const running: Promise<void>[] = [];
    for (const open of this.#open.values()) {
      if (open.running === undefined) continue;
      open.live.stopping ??= 'interrupted';
      open.live.abort.abort(new AfterimageError('cancelled', 'the replica is stopping'));
      running.push(open.running);
    }
    await Promise.all(running);
    this.#keeper.close();
  }

  // ——— running ———

  #takeUp(live: LiveJob, row: JobRow): void {
    let kind: AnyJobKind;
    try {
      kind = this.kindOf(row.kind, row.request);
    } catch (error) {
      this.#end(this.#opened(live, undefined), { state: 'failed', problem: toProblem(error) });
      return;
    }
    const wasRunning = row.state === 'running';
    if (wasRunning && (kind.afterInterruption === 'stays' || row.attempt >= ATTEMPTS_MAX)) {
      const often = row.attempt >= ATTEMPTS_MAX ? `, for the ${row.attempt}th time` : '';
      const message = `interrupted by the end of the replica${often}`;
      this.#end(this.#opened(live, kind), { state: 'interrupted', message });
      return;
    }
    if (wasRunning) {
      live.queue();
      const how = kind.afterInterruption === 'goes-on' ? 'goes on' : 'begins again';
      live.say(`interrupted by the end of the replica; it ${how}`);
    }
    this.#enqueue(live, kind);
  }

  #enqueue(live: LiveJob, work: AnyJobKind): void {
    this.#opened(live, work);
    this.#keeper.changed(live);
    this.#startQueued();
  }

  #opened(live: LiveJob, work: AnyJobKind | undefined): Open {
    const { id, kind, set, request } = live.row();
    const open: Open = {
      id,
      kind,
      set,
      live,
      work,
      changes: work?.effect === 'changes',
      target: work?.target?.(set, request),
      running: undefined,
    };
    this.#open.set(id, open);
    return open;
  }

  #startQueued(): void {
    if (this.#closing) return;
    const all = [...this.#open.values()].filter(({ work }) => work !== undefined);
    const queued = all.filter(({ live }) => live.state === 'queued');
    const running = all.filter(({ live }) => live.state === 'running');
    for (const open of startable({ queued, running }, this.#deps.lanes ?? defaultLanes)) {
      open.live.start();
      this.#keeper.changed(open.live);
      open.running = this.#run(open);
    }
  }

  /** Never rejects. */
  async #run(open: Open): Promise<void> {
    const { live, work } = open;
    try {
      if (work === undefined) return;
      const result = await work.run(live.context());
      this.#end(open, { state: 'done', message: result.text, result });
    } catch (cause) {
      this.#end(open, this.#endOf(open, cause));
    }
  }

  #endOf({ live, kind, set }: Open, cause: unknown): JobEnd {
    const error = asAfterimageError(cause);
    if (live.stopping === 'interrupted' && error.code === 'cancelled') {
      return { state: 'interrupted', message: 'interrupted by the end of the replica' };
    }
    if (live.stopping === 'cancelled') {
      if (error.code !== 'cancelled') live.log(`it ended with: ${error.message}`, 'warn');
      const { reason } = live.abort.signal as { readonly reason: unknown };
      return cancelledEnd(asAfterimageError(reason).message);
    }
    const facts = { job: `job-${live.id}`, kind, set };
    if (error.kind === 'bug') this.#deps.log.error('a job failed', error, facts);
    else this.#deps.log.warn('a job failed', { ...facts, code: error.code, error: error.message });
    return { state: 'failed', message: error.message, problem: toProblem(error) };
  }

  #end(open: Open, end: JobEnd): void {
    const { live } = open;
    live.end(end);
    // What goes on by itself is still queued for the next process.
    const goesOn = end.state === 'interrupted' && this.#closing && open.work !== undefined;
    if (goesOn && open.work.afterInterruption !== 'stays') live.queue();
    this.#open.delete(live.id);
    this.#keeper.changed(live);
    this.#startQueued();
  }

  #liveOf(id: number): LiveJob | undefined {
    return this.#open.get(id)?.live ?? this.#left.get(id);
  }

  #present(live: LiveJob): JobJson {
    const row = live.row();
    const { canCancel, canResume } = abilitiesOf(row);
    return presentJob(row, { canCancel: canCancel && live.stopping === undefined, canResume });
  }

  #stored(id: number): JobRow {
    const row = this.#deps.store.get(id);
    if (row !== undefined) return row;
    throw new AfterimageError('not-found', `there is no job job-${id}`, {
      facts: { job: `job-${id}` },
    });
  }
}

function cancelledEnd(message: string): JobEnd {
  return {
    state: 'cancelled',
    message,
    problem: toProblem(new AfterimageError('cancelled', message)),
  };
}

function checkedRequest(kind: AnyJobKind, request: RequestJson): unknown {
  const result = kind.schema.safeParse(request);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue === undefined ? '' : issue.path.map(String).join('.');
  throw new AfterimageError('argument-invalid', `${where}: ${issue?.message ?? 'not understood'}`, {
    cause: result.error,
  });
}
