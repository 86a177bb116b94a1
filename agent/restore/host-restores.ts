/**
 * Restores to this host that the replica asks for, one at a time for each set. What is asked comes from
 * the replica, whether it is done decides the agent's configuration; names, digests and contents are
 * pulled and checked. A restore that the agent, the replica or the connection cut off goes on by
 * comparing what stands here already. Capture goes on meanwhile: what is written becomes the next points.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../shared/clock.js';
import type { RestoreConfig, SetConfig } from '../../shared/config/agent-config.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import type { Answer } from '../../shared/protocol/query.js';
import {
  decodeReportReply,
  decodeRestoreOrder,
  encodeRestoreQuestion,
  REPORT_TEXT_MAX,
  type RestoreOrder,
  type RestoreReportMessage,
} from '../../shared/protocol/restore-question.js';
import type { SyncOutcome } from '../../shared/protocol/sync-outcome.js';
import { orStopped } from '../plan/stoppable-session.js';
import type { SessionEvent, SetSession } from '../ship/session.js';
import { carryOut } from './carry-out.js';
import type { PlaceParts } from './restore-place.js';
import { RestoreLog } from './restore-log.js';

/** A replica that has just started does not know its restores for a moment. */
const UNKNOWN_MS_MAX = 120_000;
const UNKNOWN_PAUSE_MS = 500;
const REPORT_EVERY_MS = 1_000;
const WAITING_MAX = 16;

export interface HostRestoresOptions {
  readonly set: SetConfig;
  readonly allowed: RestoreConfig;
  /** The set's own, in the agent's data folder. */
  readonly folder: string;
  readonly session: Pick<SetSession, 'restore' | 'onEvent'>;
  readonly place: PlaceParts;
  readonly createCore: () => HashCore;
  readonly clock: Clock;
  readonly log: Log;
}

export class HostRestores {
  readonly #options: HostRestoresOptions;
  readonly #restoreLog: RestoreLog;
  readonly #stop = new AbortController();
  #subscription: { unsubscribe(): void } | undefined;
  readonly #waiting: string[] = [];
  #active: string | undefined;
  #running: Promise<void> = Promise.resolve();
  /** A point that says that the restore is done has been described, and may be committed. */
  #said = false;

  constructor(options: HostRestoresOptions) {
    this.#options = options;
    this.#restoreLog = new RestoreLog(options.folder, options.log);
  }

  /** Goes on with what was cut off, and listens. */
  start(): void {
    this.#subscription = this.#options.session.onEvent((event) => {
      this.#onEvent(event);
    });
    const { active } = this.#restoreLog;
    if (active !== null) this.#asked(active);
  }

  /** Resolves when nothing is written any more; what was under way goes on at the next start. */
  async stop(): Promise<void> {
    this.#subscription?.unsubscribe();
    this.#stop.abort(new AfterimageError('cancelled', 'the agent stops'));
    await this.#running;
  }

  /** What the outcome of a sync says whose image was taken at this time, ms since the epoch. */
  restored(imageMs: number): SyncOutcome['restored'] {
    const { wrote } = this.#restoreLog;
    if (wrote === null) return undefined;
    const done = wrote.endedMs !== null && wrote.endedMs <= imageMs;
    this.#said = done;
    return { point: wrote.point, order: wrote.order, done };
  }

  #onEvent(event: SessionEvent): void {
    if (event.type === 'restore-asked') {
      this.#asked(event.order);
    } else if (event.type === 'committed' && this.#said) {
      this.#said = false;
      this.#restoreLog.noteWritten(null);
    }
  }

  #asked(order: string): void {
    if (this.#active === order || this.#waiting.includes(order)) return;
    if (this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push(order);
    this.#next();
  }

  #next(): void {
    if (this.#active !== undefined || this.#stop.signal.aborted) return;
    const order = this.#waiting.shift();
    if (order === undefined) return;
    this.#active = order;
    this.#running = this.#carryOut(order)
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.log.error('a restore to this host could not be told of', error, { order });
      })
      .finally(() => {
        this.#active = undefined;
        this.#next();
      });
  }

  async #carryOut(id: string): Promise<void> {
    const known = this.#restoreLog.ended(id);
    if (known !== undefined) {
      await this.#tell(id, known.report);
      return;
    }
    const report = await this.#report(id);
    if (this.#stop.signal.aborted) return;
    this.#restoreLog.end({ order: id, report });
    await this.#tell(id, report);
  }

  /** Never rejects: what a restore fails with is its report. */
  async #report(id: string): Promise<RestoreReportMessage> {
    const { log, set } = this.#options;
    try {
      const bytes = Buffer.from(encodeRestoreQuestion({ ask: 'order', order: id }));
      const order = decodeRestoreOrder((await this.#ask(bytes)).bytes);
      this.#restoreLog.begin(id);
      log.info('a restore to this host begins', { order: id, point: order.point });
      const report = await this.#write(order);
      log.info('a restore to this host ended', { order: id, state: report.state });
      return report;
    } catch (error) {
      const failure = asAfterimageError(error);
      if (!this.#stop.signal.aborted) {
        log.error('a restore to this host failed', failure, { order: id, set: set.name });
      }
      const isOff = failure.code === 'cancelled' || failure.code === 'restore-unknown';
      return {
        state: isOff ? 'cancelled' : 'failed',
        code: failure.code,
        message: failure.message.slice(0, REPORT_TEXT_MAX),
      };
    }
  }

  async #write(order: RestoreOrder): Promise<RestoreReportMessage> {
    const { clock } = this.#options;
    const off = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, off.signal]);
    let progress = { entries: 0, bytes: 0 };
    const telling = this.#tellOften(order.id, () => progress, { signal, off });
    const writes = order.effect === 'write' && order.target === 'in-place';
    if (writes) this.#noteWritten(order, null);
    try {
      return await carryOut(order, {
        ...this.#options,
        ask: (question) => this.#ask(question, signal),
        signal,
        onProgress: (reached) => {
          progress = reached;
        },
      });
    } finally {
      off.abort(new AfterimageError('cancelled', 'the restore ended'));
      await telling;
      if (writes && !this.#stop.signal.aborted) this.#noteWritten(order, clock.now());
    }
  }

  #noteWritten({ id, point }: RestoreOrder, endedMs: number | null): void {
    this.#said = false;
    this.#restoreLog.noteWritten({ point, order: id, endedMs });
  }

  /** Says how far it is, and hears whether it is wanted still. */
  async #tellOften(
    order: string,
    progress: () => { readonly entries: number; readonly bytes: number },
    { signal, off }: { readonly signal: AbortSignal; readonly off: AbortController },
  ): Promise<void> {
    try {
      while (!signal.aborted) {
        const report = { state: 'running', ...progress() } as const;
        const question = encodeRestoreQuestion({ ask: 'report', order, report });
        const { wanted } = decodeReportReply((await this.#ask(question, signal)).bytes);
        if (!wanted) off.abort(new AfterimageError('cancelled', 'the restore was called off'));
        await delay(REPORT_EVERY_MS, undefined, { signal });
      }
    } catch (error) {
      if (signal.aborted) return;
      off.abort(asAfterimageError(error));
    }
  }

  /** A replica that knows nothing of it any more needs no report. */
  async #tell(order: string, report: RestoreReportMessage): Promise<void> {
    try {
      await this.#ask(encodeRestoreQuestion({ ask: 'report', order, report }));
    } catch (error) {
      if (!(error instanceof AfterimageError) || error.code !== 'restore-unknown') throw error;
    }
  }

  /** Asked until it is answered, the restore is called off or the agent stops. */
  async #ask(question: Uint8Array, signal = this.#stop.signal): Promise<Answer> {
    const { session, clock } = this.#options;
    const sinceMs = clock.monotonic();
    for (;;) {
      try {
        if (session.restore === undefined) throw unknown();
        return await orStopped(session.restore(question), signal);
      } catch (error) {
        const isUnknown = error instanceof AfterimageError && error.code === 'restore-unknown';
        if (!isUnknown || clock.monotonic() - sinceMs > UNKNOWN_MS_MAX) throw error;
        await orStopped(delay(UNKNOWN_PAUSE_MS), signal);
      }
    }
  }
}

function unknown(): AfterimageError {
  return new AfterimageError('restore-unknown', 'this session asks nothing about restores');
}
