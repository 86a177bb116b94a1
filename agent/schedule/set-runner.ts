/**
 * Runs one set: captures changes into its journal, syncs when one is due or asked for, one at a
 * time, and answers what HELLO finds. While the replica is away it goes on journalling; a sync
 * that fails is tried again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { SetConfig } from '../../shared/config/agent-config.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import { type Divergence, REQUESTS_MAX } from '../../shared/protocol/sync-outcome.js';
import type { CaptureReport, CaptureSource } from '../capture/capture-source.js';
import { syncSet, type SetParts, type SyncResult } from '../pipeline.js';
import type { Operation } from '../plan/sync-report.js';
import { orStopped } from '../plan/stoppable-session.js';
import type { AgentPosition, HelloOutcome, SessionEvent } from '../ship/session.js';
import { type Diverged, readState, settleHello, takeReplicaState } from './begin-set.js';
import { CaptureLog } from './capture-log.js';
import { closeAll } from './close-all.js';
import { Lookout } from './lookout.js';
import { learnScanMs, nextSyncMs, notAhead, type SetTimes } from './next-sync.js';
import { nameFullDisk } from './full-disk.js';
import { type Facts, SetFacts } from './set-facts.js';
import { WakeUp } from './wake-up.js';

/** What a set is doing, for `status.json`. */
export type SetActivity = 'connecting' | 'idle' | 'syncing' | 'away' | 'comparing' | 'stopped';

export interface SetRunnerStatus {
  readonly activity: SetActivity;
  readonly capture: string;
  readonly lastPoint: { readonly point: number; readonly timeMs: number } | undefined;
  readonly lastSyncMs: number | undefined;
  readonly lastError: AfterimageError | undefined;
  readonly stalled: AfterimageError | undefined;
  readonly facts: Facts;
  /** How long the oldest change that no point covers has waited, ms; 0 when there is none. */
  readonly behindMs: number;
  /** Nodes other than folders. */
  readonly files: number;
}

export interface SetRunnerOptions {
  readonly config: SetConfig;
  readonly parts: SetParts;
  readonly capture: CaptureSource;
  /** Requests for a sync that the set was to answer before it was opened anew. */
  readonly asked?: readonly string[];
  /** Folders on whose disks the set's work is written. */
  readonly writesIn?: readonly string[];
}

export class SetRunner {
  readonly #config: SetConfig;
  readonly #parts: SetParts;
  readonly #capture: CaptureSource;
  readonly #captured: CaptureLog;
  readonly #lookout: Lookout;
  readonly #facts: SetFacts;
  readonly #stop = new AbortController();
  readonly #wake = new WakeUp();
  #running: Promise<void> | undefined;
  #activity: SetActivity = 'connecting';
  #away: AfterimageError | undefined;
  #stalled: AfterimageError | undefined;
  #diverged: Diverged | undefined;
  /** Requests for a sync that none has answered yet. */
  readonly #asked: Set<string>;
  readonly #writesIn: readonly string[];
  #times: SetTimes;
  #lastPoint: SetRunnerStatus['lastPoint'];
  #lastError: AfterimageError | undefined;
  #hello: Promise<HelloOutcome> | undefined;
  /** When the first change was seen that the sync under way is to cover. */
  #coveringMs: number | undefined;
  #releasedMs: number | undefined;
  #files = 0;

  constructor(options: SetRunnerOptions) {
    this.#config = options.config;
    this.#parts = options.parts;
    this.#capture = options.capture;
    this.#asked = new Set(options.asked);
    this.#writesIn = options.writesIn ?? [];
    const { journal, state, log } = options.parts;
    this.#captured = new CaptureLog(journal, log);
    this.#lookout = new Lookout(options.parts, options.capture, () => {
      this.#changed();
    });
    this.#facts = new SetFacts(state, journal);
    this.#times = {
      startedMs: options.parts.clock.now(),
      last: undefined,
      scanMs: undefined,
      changedMs: undefined,
      failures: 0,
      unsettled: 0,
      first: options.parts.state.committed.point === 0,
    };
  }

  get status(): SetRunnerStatus {
    return {
      activity: this.#activity,
      capture: this.#capture.name,
      lastPoint: this.#lastPoint,
      lastSyncMs: this.#times.last?.endedMs,
      lastError: this.#lastError ?? this.#away,
      stalled: this.#stalled,
      facts: this.#facts.get(),
      behindMs: this.#behindMs,
      files: this.#files,
    };
  }

  /** Requests for a sync that none has answered yet. */
  get asked(): readonly string[] {
    return [...this.#asked];
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when nothing of the set runs any more. A sync under way is taken back or left ended. */
  async stop(): Promise<void> {
    this.#stop.abort(new AfterimageError('cancelled', 'the agent stops'));
    this.#wake.now();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { session, log } = this.#parts;
    const subscription = session.onEvent((event) => {
      this.#onEvent(event);
    });
    const capturing = this.#startCapture();
    try {
      await this.#untilBegun();
      await this.#loop();
      await capturing;
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        this.#lastError = asAfterimageError(error);
        log.error('the set cannot go on', error);
      }
    } finally {
      subscription.unsubscribe();
      this.#captured.close();
      await this.#close();
      this.#activity = 'stopped';
    }
  }

  #close(): Promise<void> {
    const { session, engine, state, journal, log } = this.#parts;
    return closeAll(log, [
      () => this.#capture.stop(),
      () => this.#lookout.close(),
      () => session.close(),
      () => engine.close?.(),
      () => {
        this.#facts.close();
      },
      () => {
        journal.close();
      },
      () => {
        state.close();
      },
    ]);
  }

  async #startCapture(): Promise<void> {
    const { log } = this.#parts;
    try {
      await this.#capture.start((seen) => {
        this.#onCapture(seen);
      });
      // What changed while the watches were set up was not seen.
      this.#onCapture({ type: 'gap', reason: 'downtime', covers: Buffer.alloc(0) });
    } catch (error) {
      log.error('changes cannot be watched; scans find them', error);
    }
  }

  /** Until the first HELLO is answered and obeyed and the set's state is read, however often it fails. */
  async #untilBegun(): Promise<void> {
    const { session, state } = this.#parts;
    while (!this.#stop.signal.aborted) {
      try {
        // First of all: a large state takes a while to read, and who asks for a sync is heard.
        this.#hello ??= session.start(() => this.#position());
        const outcome = await orStopped(this.#hello, this.#stop.signal);
        this.#diverged = (await settleHello(this.#parts, outcome)) ?? this.#diverged;
        await readState(this.#parts);
        this.#files = state.files.value ?? 0;
        const first = state.committed.point === 0;
        this.#times = { ...this.#times, failures: 0, last: undefined, first };
        return;
      } catch (error) {
        this.#stop.signal.throwIfAborted();
        this.#failed(asAfterimageError(error), this.#times);
        const waitMs = this.#dueMs() - this.#parts.clock.now();
        await orStopped(delay(Math.max(0, waitMs)), this.#stop.signal);
      }
    }
  }

  #position(): AgentPosition {
    const { continuityMs } = this.#facts.get();
    const watch = { continuityMs, behindMs: this.#behindMs };
    return { ...this.#parts.state.position(), watch };
  }

  get #behindMs(): number {
    const nowMs = this.#parts.clock.now();
    const sinceMs = Math.min(this.#coveringMs ?? nowMs, this.#times.changedMs ?? nowMs);
    return Math.max(0, Math.round(nowMs - sinceMs));
  }

  /** Whatever a sync fails with, the set says so and tries again: only a stop ends it. */
  async #loop(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#dueMs() - this.#parts.clock.now();
      const { live } = this.#parts.session;
      this.#activity = live ? 'idle' : 'away';
      if (!live || waitMs > 0) await this.#wake.wait(live ? waitMs : Infinity);
      else await this.#syncOnce();
    }
  }

  /** What an operator asked for is due at once; after a failure it is tried again like any other. */
  #dueMs(): number {
    if (this.#asked.size > 0 && this.#times.failures === 0) return 0;
    const { targeted } = this.#lookout;
    const times = { ...notAhead(this.#times, this.#parts.clock.now()), targeted };
    return nextSyncMs(this.#config.schedule, times);
  }

  async #syncOnce(): Promise<void> {
    const { clock, log } = this.#parts;
    const startedMs = clock.now();
    const before = this.#times;
    const requests = [...this.#asked].slice(0, REQUESTS_MAX);
    for (const request of requests) this.#asked.delete(request);
    const asked = requests.length > 0;
    this.#times = { ...before, changedMs: undefined };
    this.#coveringMs = before.changedMs;
    let result: SyncResult | undefined;
    try {
      await this.#adoptIfDiverged();
      const { healing } = this.#parts.state;
      this.#activity = 'syncing';
      const operation = this.#operation({ asked, healing });
      const syncMs = clock.now();
      result = await syncSet(this.#parts, {
        ...this.#lookout.begin(operation),
        operation,
        always: asked || healing !== undefined || this.#times.first,
        requests,
        signal: this.#stop.signal,
        releasedMs: this.#releasedMs,
        healed: healing,
      });
      this.#learn(result, { operation, tookMs: clock.now() - syncMs });
      this.#succeeded(result, before);
      this.#files = this.#parts.state.files.value ?? 0;
    } catch (error) {
      for (const request of requests) this.#asked.add(request);
      this.#failed(asAfterimageError(error), before);
    } finally {
      const endedMs = clock.now();
      this.#lookout.over({ startedMs, result });
      this.#times = { ...this.#times, last: { startedMs, endedMs } };
      this.#coveringMs = undefined;
      log.debug('sync ended', { ms: endedMs - startedMs });
    }
  }

  #learn(result: SyncResult, sync: { operation: Operation; tookMs: number }): void {
    if (result.type === 'diverged' || result.looked === 'targets') return;
    const copied = sync.operation === 'first' || sync.operation === 'reconcile';
    const scanMs = learnScanMs(this.#times.scanMs, {
      found: result.type === 'unchanged' ? 'nothing' : 'changes',
      copied: copied ? 'everything' : 'changes',
      tookMs: sync.tookMs,
    });
    this.#times = { ...this.#times, scanMs };
  }

  async #adoptIfDiverged(): Promise<void> {
    const diverged = this.#diverged;
    if (diverged === undefined) return;
    this.#activity = 'comparing';
    await takeReplicaState(this.#parts, diverged);
    // Another HELLO may have told of another state meanwhile; one for a direct stream tells of this one.
    const { point, chain } = this.#diverged ?? diverged;
    if (point === diverged.point && chain.equals(diverged.chain)) this.#diverged = undefined;
  }

  #operation(why: {
    readonly asked: boolean;
    readonly healing: Divergence | undefined;
  }): Operation {
    if (why.healing !== undefined) return 'reconcile';
    if (this.#times.first) return 'first';
    if (why.asked) return 'manual';
    return this.#config.schedule.type === 'continuous' ? 'change' : 'schedule';
  }

  #succeeded(result: SyncResult, before: SetTimes): void {
    const { log } = this.#parts;
    this.#lastError = undefined;
    if (result.type === 'diverged') {
      this.#diverged = result;
      this.#times = { ...this.#times, changedMs: this.#parts.clock.now() };
      return;
    }
    const unsettled = this.#lookout.leftBy(result) > 0 ? before.unsettled + 1 : 0;
    this.#times = { ...this.#times, failures: 0, unsettled };
    if (result.type === 'unchanged') return;
    this.#times = { ...this.#times, first: false };
    this.#parts.state.endHealing();
    this.#releasedMs = result.releasedMs ?? this.#releasedMs;
    this.#lastPoint = { point: result.point, timeMs: result.timeMs };
    log.info('point cut', { point: result.point, changed: result.nodesChanged });
  }

  #failed(failure: AfterimageError, before: SetTimes): void {
    if (this.#stop.signal.aborted) return;
    const error = nameFullDisk(failure, this.#writesIn);
    const { log } = this.#parts;
    const nowMs = this.#parts.clock.now();
    this.#times = {
      ...this.#times,
      last: { startedMs: nowMs, endedMs: nowMs },
      failures: before.failures + 1,
      changedMs: before.changedMs ?? this.#times.changedMs ?? nowMs,
    };
    if (error.code === 'root-missing') {
      const covers = Buffer.from(String(error.facts['root'] ?? ''));
      this.#captured.openGap({ reason: 'root-missing', covers });
    }
    const repeated = this.#lastError?.code === error.code;
    this.#lastError = error;
    if (repeated) log.debug('the sync failed again', { code: error.code });
    else log.error('the sync failed; it is tried again', error);
  }

  #onCapture(seen: CaptureReport): void {
    this.#captured.take(seen);
    if (seen.type !== 'look' || !this.#lookout.survey()) this.#changed();
  }

  #changed(): void {
    if (this.#times.changedMs !== undefined) return;
    this.#times = { ...this.#times, changedMs: this.#parts.clock.now() };
    this.#wake.now();
  }

  #onEvent(event: SessionEvent): void {
    switch (event.type) {
      case 'hello':
        this.#away = undefined;
        if (event.outcome.type === 'diverged' && this.#activity !== 'connecting') {
          this.#diverged = event.outcome;
          this.#changed();
        }
        // A session that is back is worth another try soon.
        this.#times = { ...this.#times, failures: Math.min(1, this.#times.failures) };
        this.#wake.now();
        return;
      case 'away':
        this.#away = event.error;
        if (event.error.kind === 'operator') this.#parts.log.error('no session', event.error);
        this.#wake.now();
        return;
      case 'stalled':
      case 'resumed':
        this.#stalled = event.type === 'stalled' ? event.error : undefined;
        return;
      case 'wanted':
        this.#lookout.lookAtEverything();
        this.#changed();
        return;
      case 'sync-asked':
        this.#asked.add(event.request);
        this.#times = { ...this.#times, failures: 0 };
        this.#wake.now();
        return;
      default:
    }
  }
}
