/**
 * Runs one set: captures changes into its journal, syncs when one is due or asked for, one at a
 * time, and answers what HELLO finds. While the replica is away it goes on journalling; a sync
 * that fails is tried again.
 */
import type { SetConfig } from '../../shared/config/agent-config.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import { REQUESTS_MAX } from '../../shared/protocol/sync-outcome.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { CaptureReport, CaptureSource } from '../capture/capture-source.js';
import { syncSet, type SetParts, type SyncResult } from '../pipeline.js';
import type { Operation } from '../plan/sync-report.js';
import { orStopped } from '../plan/stoppable-session.js';
import type { HelloOutcome, SessionEvent } from '../ship/session.js';
import { adoptReplica } from '../state/adopt-replica.js';
import type { CommittedPoint } from '../state.js';
import { nextSyncMs, notAhead, type SetTimes } from './next-sync.js';
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
  /** Nodes other than folders, as last counted. */
  readonly files: number;
}

export interface SetRunnerOptions {
  readonly config: SetConfig;
  readonly parts: SetParts;
  readonly capture: CaptureSource;
}

/** Between writes of the journal, so that a burst is one transaction. */
const JOURNAL_MS = 50;
/** Note of the state: what follows was compared with the replica and is no point yet. */
const COMPARING = 'comparing';
const COUNT_EVERY_MS = 10_000;

export class SetRunner {
  readonly #config: SetConfig;
  readonly #parts: SetParts;
  readonly #capture: CaptureSource;
  readonly #stop = new AbortController();
  readonly #wake = new WakeUp();
  #running: Promise<void> | undefined;
  #activity: SetActivity = 'connecting';
  #away: AfterimageError | undefined;
  #stalled: AfterimageError | undefined;
  #diverged: CommittedPoint | undefined;
  /** Requests for a sync that none has answered yet. */
  #asked = new Set<string>();
  #times: SetTimes;
  #lastPoint: SetRunnerStatus['lastPoint'];
  #lastError: AfterimageError | undefined;
  #journalTimer: NodeJS.Timeout | undefined;
  #releasedMs: number | undefined;
  #files = 0;
  #countedMs = -Infinity;
  #scanKnown = false;

  constructor(options: SetRunnerOptions) {
    this.#config = options.config;
    this.#parts = options.parts;
    this.#capture = options.capture;
    this.#times = {
      startedMs: options.parts.clock.now(),
      last: undefined,
      scanMs: 0,
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
      files: this.#files,
    };
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when nothing of the set runs any more. A sync under way is taken back or left ended. */
  async stop(): Promise<void> {
    this.#stop.abort(new AfterimageError('cancelled', 'the agent stops'));
    this.#wake.now();
    await this.#running;
    this.#activity = 'stopped';
  }

  async #run(): Promise<void> {
    const { session, state, index, journal, log } = this.#parts;
    const subscription = session.onEvent((event) => {
      this.#onEvent(event);
    });
    try {
      const capturing = this.#startCapture();
      await index.fill(new TimeSlice());
      const hello = session.start(() => state.position());
      await this.#settleHello(await orStopped(hello, this.#stop.signal));
      await this.#loop();
      await capturing;
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        this.#lastError = asAfterimageError(error);
        log.error('the set cannot go on', error);
      }
    } finally {
      subscription.unsubscribe();
      clearTimeout(this.#journalTimer);
      await this.#capture.stop();
      await session.close();
      journal.close();
      state.close();
    }
  }

  async #startCapture(): Promise<void> {
    try {
      await this.#capture.start((seen) => {
        this.#onCapture(seen);
      });
      // What changed while the watches were set up was not seen.
      this.#onCapture({ type: 'gap', reason: 'downtime', covers: Buffer.alloc(0) });
    } catch (error) {
      this.#parts.log.error('changes cannot be watched; scans find them', error);
    }
  }

  /** What the first HELLO says of a sync that a crash left ended, and of the state itself. */
  async #settleHello(outcome: HelloOutcome): Promise<void> {
    const { state, index } = this.#parts;
    if (outcome.type === 'roll-forward') {
      state.commitSync(outcome);
      await index.fill(new TimeSlice());
      this.#parts.log.info('the replica had committed the last sync', { point: outcome.point });
      return;
    }
    if (state.flight !== undefined) await state.dropSync(new TimeSlice());
    if (outcome.type === 'diverged') this.#diverged = outcome;
  }

  async #loop(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const dueMs = this.#dueMs();
      const waitMs = dueMs - this.#parts.clock.now();
      const { live } = this.#parts.session;
      this.#activity = live ? 'idle' : 'away';
      if (!live || waitMs > 0) {
        await this.#wake.wait(live ? waitMs : Infinity);
        continue;
      }
      await this.#syncOnce();
    }
  }

  /** What an operator asked for is due at once; after a failure it is tried again like any other. */
  #dueMs(): number {
    if (this.#asked.size > 0 && this.#times.failures === 0) return 0;
    return nextSyncMs(this.#config.schedule, notAhead(this.#times, this.#parts.clock.now()));
  }

  async #syncOnce(): Promise<void> {
    const { clock, log } = this.#parts;
    const startedMs = clock.now();
    const before = this.#times;
    const requests = [...this.#asked].slice(0, REQUESTS_MAX);
    for (const request of requests) this.#asked.delete(request);
    const asked = requests.length > 0;
    this.#times = { ...before, changedMs: undefined };
    try {
      await this.#adoptIfDiverged();
      const reconciled = this.#comparing;
      this.#activity = 'syncing';
      const operation = this.#operation({ asked, reconciled });
      const result = await syncSet(this.#parts, {
        operation,
        always: asked || reconciled || this.#times.first,
        requests,
        signal: this.#stop.signal,
        releasedMs: this.#releasedMs,
      });
      this.#learnScan(result, clock.now() - startedMs);
      this.#succeeded(result, before);
    } catch (error) {
      for (const request of requests) this.#asked.add(request);
      this.#failed(asAfterimageError(error), before);
    } finally {
      const endedMs = clock.now();
      this.#times = { ...this.#times, last: { startedMs, endedMs } };
      this.#count();
      log.debug('sync ended', { ms: clock.now() - startedMs });
    }
  }

  /** A sync that found nothing was a scan and no more; any other one took at least as long. */
  #learnScan(result: SyncResult, tookMs: number): void {
    const known = this.#scanKnown ? this.#times.scanMs : Infinity;
    const scanMs = result.type === 'unchanged' ? tookMs : Math.min(known, tookMs);
    this.#scanKnown = true;
    this.#times = { ...this.#times, scanMs };
  }

  /** Counting takes a while on a large set: not after every sync. */
  #count(): void {
    const nowMs = this.#parts.clock.now();
    if (nowMs - this.#countedMs < COUNT_EVERY_MS) return;
    this.#countedMs = nowMs;
    this.#files = this.#parts.state.nodes.countFiles();
  }

  get #comparing(): boolean {
    return this.#parts.state.note(COMPARING)?.[0] === 1;
  }

  /** Takes the state from the replica; the next point says so, whatever becomes of this process. */
  async #adoptIfDiverged(): Promise<void> {
    const committed = this.#diverged;
    if (committed === undefined) return;
    const { state, session, index, log } = this.#parts;
    this.#activity = 'comparing';
    log.warn('agent and replica remember different histories; everything is compared', {
      point: committed.point,
    });
    const slice = new TimeSlice();
    state.setNote(COMPARING, Buffer.from([1]));
    await adoptReplica(state, session, { committed, slice });
    await index.fill(slice);
    this.#diverged = undefined;
  }

  #operation(why: { readonly asked: boolean; readonly reconciled: boolean }): Operation {
    if (why.reconciled) return 'reconcile';
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
    const unsettled = result.unsettled > 0 ? before.unsettled + 1 : 0;
    this.#times = { ...this.#times, failures: 0, unsettled };
    if (result.type === 'unchanged') return;
    this.#times = { ...this.#times, first: false };
    if (this.#comparing) {
      this.#parts.state.setNote(COMPARING, Buffer.from([0]));
      this.#parts.state.flush();
    }
    this.#releasedMs = result.releasedMs ?? this.#releasedMs;
    this.#lastPoint = { point: result.point, timeMs: result.timeMs };
    log.info('point cut', { point: result.point, changed: result.nodesChanged });
  }

  #failed(error: AfterimageError, before: SetTimes): void {
    if (this.#stop.signal.aborted) return;
    const { log, journal } = this.#parts;
    this.#times = {
      ...this.#times,
      failures: before.failures + 1,
      changedMs: this.#times.changedMs ?? before.changedMs ?? this.#parts.clock.now(),
    };
    if (error.code === 'root-missing') {
      const covers = Buffer.from(String(error.facts['root'] ?? ''));
      journal.openGap({ reason: 'root-missing', covers });
    }
    const repeated = this.#lastError?.code === error.code;
    this.#lastError = error;
    if (repeated) log.debug('the sync failed again', { code: error.code });
    else log.error('the sync failed; it is tried again', error);
  }

  #onCapture(seen: CaptureReport): void {
    const { journal } = this.#parts;
    if (seen.type === 'changed') journal.record(seen.path);
    else if (seen.type === 'gap')
      this.#toJournal(() => {
        journal.openGap(seen);
      });
    this.#journalTimer ??= setTimeout(() => {
      this.#journalTimer = undefined;
      this.#toJournal(() => {
        journal.flush();
      });
    }, JOURNAL_MS).unref();
    this.#changed();
  }

  /** A journal that cannot be written, as on a full disk, must not end the agent: syncs scan anyway. */
  #toJournal(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#parts.log.error('the journal cannot be written; the next sync scans everything', error);
    }
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
        this.#wake.now();
        return;
      case 'stalled':
        this.#stalled = event.error;
        return;
      case 'resumed':
        this.#stalled = undefined;
        return;
      case 'sync-asked':
        this.#asked.add(event.request);
        this.#times = { ...this.#times, failures: 0 };
        this.#wake.now();
        return;
      default:
        return;
    }
  }
}
