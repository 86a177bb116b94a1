/**
 * Retention on the replica: keeps policies and holds, says what a policy would do, does it when it
 * is asked or due, and gives back the room of packs. A set without a policy loses no point. Quotas
 * have no say here: they refuse syncs, they never prune (R20).
 */
import type { z } from 'zod';
import type {
  HoldJson,
  Policy,
  PruneLine,
  PruneResultJson,
  RetentionAnswer,
  SimulateAnswer,
  simulateRequestSchema,
} from '../../shared/api/retention.js';
import type { Clock } from '../../shared/clock.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { rewritePacks } from '../history/packs-rewrite.js';
import type { OpenedSet } from '../set-house.js';
import { type Decision, planRetention } from './plan-retention.js';
import { policyText } from './policy-text.js';
import { prunePoints } from './prune-points.js';
import type { RetentionStore } from './retention-store.js';
import { simulateRetention } from './simulate.js';

export interface RetentionDeps {
  /** The sets that are open, at every question anew. */
  readonly sets: () => readonly OpenedSet[];
  readonly store: RetentionStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: (entry: {
    readonly action: string;
    readonly subject: string;
    readonly detail: string;
  }) => void;
}

export interface PruneOptions {
  readonly effect: 'plan' | 'remove';
  /** Who asked, for the record: `schedule` or `api`. */
  readonly by: string;
  readonly signal: AbortSignal;
}

/** Between runs of a set, and from a new policy to its first run, so that a slip can be put right. */
export const RUN_EVERY_MS = 3600 * 1000;
/** Points of one turn under the set's lock; syncs go on between. */
const BATCH_POINTS = 16;
const REWRITE_BYTES_PER_SECOND = 32 * 1024 * 1024;

export class Retention {
  readonly #deps: RetentionDeps;
  /** When packs of each set were looked at last by this process. */
  readonly #lastRunMs = new Map<string, number>();
  readonly #startedMs: number;
  #wanted: (set: string) => ReadonlySet<number> = () => new Set();

  constructor(deps: RetentionDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.now();
  }

  /** Points of a set that somebody is to read, such as a job that waits: they stay as if it read them. */
  keepWanted(wanted: (set: string) => ReadonlySet<number>): void {
    this.#wanted = wanted;
  }

  /** Throws `not-found`, as everything here does for a set that is not open. */
  settings(set: string): RetentionAnswer {
    this.#find(set);
    const { store } = this.#deps;
    const stored = store.policy(set);
    return {
      set,
      policy: stored?.policy ?? null,
      policySetMs: stored?.setMs ?? null,
      holds: store.holds(set),
      nextRunMs: stored === undefined ? null : this.#dueMs(set),
      lastRun: store.lastRun(set) ?? null,
    };
  }

  /** Null keeps every point. The first run by itself comes an hour later. */
  setPolicy(set: string, policy: Policy | null): RetentionAnswer {
    this.#find(set);
    const { store, clock, audit } = this.#deps;
    store.setPolicy(set, policy, clock.now());
    const detail = policy === null ? 'every point stays' : policyText(policy);
    audit({ action: 'set-policy', subject: set, detail });
    return this.settings(set);
  }

  /** Keeps a point until the hold is released, whatever a policy says. */
  hold(request: {
    readonly set: string;
    readonly point: number;
    readonly reason: string;
  }): HoldJson {
    const { store, clock, audit } = this.#deps;
    // A removal asks for holds in the turn of its commit: the point is here now, so it stays.
    this.#find(request.set).reader.select({ type: 'number', point: request.point });
    const hold = store.hold({ ...request, timeMs: clock.now() });
    audit({ action: 'hold', subject: `${request.set}@${request.point}`, detail: request.reason });
    return hold;
  }

  /** Releases a hold by its name, or all of a point. Throws `not-found` when there is none. */
  release(
    which: { readonly hold: string } | { readonly set: string; readonly point: number },
  ): HoldJson[] {
    const released = this.#deps.store.release(which);
    if (released.length === 0) {
      const what = 'hold' in which ? `hold ${which.hold}` : `hold on ${which.set}@${which.point}`;
      throw new AfterimageError('not-found', `there is no ${what}`);
    }
    for (const { hold, set, point, reason } of released) {
      const detail = `${hold}: ${reason}`;
      this.#deps.audit({ action: 'release', subject: `${set}@${point}`, detail });
    }
    return released;
  }

  /** Of a set, oldest first. */
  holds(set: string): HoldJson[] {
    return this.#deps.store.holds(set);
  }

  /** What another policy would do, over all points; nothing is changed. */
  async simulate(
    set: string,
    { policy, atMs, horizonMs, buckets }: z.output<typeof simulateRequestSchema>,
  ): Promise<SimulateAnswer> {
    const { reader, store } = this.#find(set);
    return await simulateRetention(
      {
        ...{ set, index: store.index, columns: await reader.table.columns() },
        held: new Set(this.holds(set).map(({ point }) => point)),
        policy: this.#deps.store.policy(set)?.policy ?? null,
      },
      { policy, atMs: atMs ?? this.#deps.clock.now(), horizonMs, buckets },
    );
  }

  /** What the set's policy says of each point now. */
  plan(set: string): Decision[] {
    const { store, reader } = this.#find(set);
    const wanted = this.#wanted(set);
    return planRetention({
      points: reader.dated(),
      policy: this.#deps.store.policy(set)?.policy ?? null,
      holds: this.#deps.store.holds(set),
      nowMs: this.#deps.clock.now(),
      inUse: (point) => wanted.has(point) || store.uses.isUsed(point),
    });
  }

  /** Every decision, then, unless it is only planned, progress of doing it; the outcome last. */
  async *prune(set: string, options: PruneOptions): AsyncGenerator<PruneLine> {
    const opened = this.#find(set);
    const decisions = this.plan(set);
    for (const { point, timeMs, keep, rules, because } of decisions) {
      const line = { point, timeMs, keep, rules: [...rules], because: [...because] };
      yield { type: 'decision', ...line };
    }
    const gone = decisions.filter(({ keep }) => !keep).map(({ point }) => point);
    const result = emptyResult();
    if (options.effect === 'plan') result.removed = gone.length;
    else {
      yield* this.#remove(opened, { points: gone, result, options });
      yield { type: 'progress', step: 'packs', done: 0, total: 1 };
      await this.#rewrite(opened, result, options.signal);
      this.#note(set, result);
    }
    yield { type: 'pruned', ...result, kept: decisions.length - gone.length };
  }

  /** Runs every set that is due. Failures are logged; the next run tries again. */
  async runDue(signal: AbortSignal): Promise<void> {
    for (const opened of this.#deps.sets()) {
      if (signal.aborted) return;
      try {
        if (this.#deps.clock.now() < this.#dueMs(opened.name)) continue;
        this.#lastRunMs.set(opened.name, this.#deps.clock.now());
        await this.#run(opened, signal);
      } catch (error) {
        const { code } = asAfterimageError(error);
        if (code === 'cancelled') return;
        this.#deps.log.error('retention failed; it is tried again', error, { set: opened.name });
      }
    }
  }

  async #run(opened: OpenedSet, signal: AbortSignal): Promise<void> {
    const { name } = opened;
    if (this.#deps.store.policy(name) === undefined) {
      await this.#rewrite(opened, emptyResult(), signal);
      return;
    }
    const lines = this.prune(name, { effect: 'remove', by: 'schedule', signal });
    for await (const line of lines) {
      if (line.type !== 'pruned' || line.removed + line.deferred === 0) continue;
      const { removed, deferred, kept, fileBytes, packBytes } = line;
      const freedBytes = fileBytes + packBytes;
      this.#deps.log.info('retention ran', { set: name, removed, deferred, kept, freedBytes });
    }
  }

  #dueMs(set: string): number {
    const { store, clock } = this.#deps;
    const policySetMs = store.policy(set)?.setMs ?? 0;
    const noted = policySetMs === 0 ? this.#startedMs : (store.lastRun(set)?.timeMs ?? 0);
    // A clock that was ahead must not keep retention waiting.
    const lastMs = Math.min(clock.now(), Math.max(noted, this.#lastRunMs.get(set) ?? 0));
    return Math.max(lastMs, policySetMs) + RUN_EVERY_MS;
  }

  async *#remove(
    opened: OpenedSet,
    work: {
      readonly points: readonly number[];
      readonly result: PruneResultJson;
      readonly options: PruneOptions;
    },
  ): AsyncGenerator<PruneLine> {
    const { store, writer, name } = opened;
    const { points, result, options } = work;
    const policy = this.#deps.store.policy(name)?.policy;
    if (policy === undefined) return;
    const reason = { policy: policyText(policy), by: options.by, timeMs: this.#deps.clock.now() };
    const isStillAsked = (): boolean => {
      const now = this.#deps.store.policy(name)?.policy;
      return now !== undefined && policyText(now) === reason.policy;
    };
    const mayGo = (gap: readonly number[]): boolean => {
      const wanted = this.#wanted(name);
      const stays = (point: number): boolean =>
        wanted.has(point) || this.#deps.store.isHeld(name, point) || store.uses.isUsed(point);
      return isStillAsked() && !gap.some(stays);
    };
    for (let at = 0; at < points.length; at += BATCH_POINTS) {
      const batch = points.slice(at, at + BATCH_POINTS);
      const { signal } = options;
      const done = await writer.exclusively(() =>
        prunePoints(store, { points: batch, reason, mayGo, signal }),
      );
      await opened.scrub?.wrote();
      result.removed += done.removed.length;
      result.deferred += done.deferred.length;
      result.rows += done.rows;
      result.files += done.files;
      result.fileBytes += done.fileBytes;
      const through = Math.min(at + BATCH_POINTS, points.length);
      yield { type: 'progress', step: 'points', done: through, total: points.length };
    }
  }

  async #rewrite(
    { store, writer, scrub }: OpenedSet,
    result: PruneResultJson,
    signal: AbortSignal,
  ): Promise<void> {
    const rewritten = await rewritePacks({
      store,
      log: this.#deps.log,
      exclusively: (work) => writer.exclusively(work),
      mayMove: () => writer.status.state === 'idle' || writer.status.state === 'receiving',
      bytesPerSecond: REWRITE_BYTES_PER_SECOND,
      signal,
    });
    await scrub?.wrote();
    result.packBytes += rewritten.freedBytes;
  }

  #note(set: string, result: PruneResultJson): void {
    this.#deps.store.noteRun(set, { ...result, timeMs: this.#deps.clock.now() });
  }

  #find(set: string): OpenedSet {
    const opened = this.#deps.sets().find(({ name }) => name === set);
    if (opened !== undefined) return opened;
    throw new AfterimageError('not-found', `there is no set ${JSON.stringify(set)}`, {
      facts: { set },
    });
  }
}

function emptyResult(): PruneResultJson {
  return { removed: 0, deferred: 0, rows: 0, files: 0, fileBytes: 0, packBytes: 0 };
}
