/**
 * Scrubs one set for ever: a round when one is due, at a bounded rate, giving way to syncs; what
 * cannot be repaired from what is here is asked of the agent.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ScrubDamage, ScrubStatus, ScrubSummary } from '../../shared/api/scrub.js';
import { type Clock } from '../../shared/clock.js';
import { asAfterimageError } from '../../shared/errors.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import { toPathText } from '../../shared/path-text.js';
import type { Posix } from '../../shared/posix/posix.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { WANTS_MAX } from '../../shared/protocol/events.js';
import type { SetStore } from '../history/set-store.js';
import { StoredSetReader } from '../history/stored-set-reader.js';
import { newestPoint } from '../index/nodes.js';
import { LIVE } from '../index/schema.js';
import { isOpenState, type SetState } from '../state.js';
import type { Want } from '../stage/seal-content.js';
import { bodyRow } from './block-versions.js';
import type { ByteRate } from './byte-rate.js';
import { pathOfNode } from './check-rows.js';
import { IndexTwin } from './index-twin.js';
import { isForeign } from './open-anew.js';
import { type DamageRow, ScrubDb } from './scrub-db.js';
import { ScrubRound, type ScrubRoundDeps } from './scrub-round.js';

/** What scrubbing needs of a set's writer. */
export interface ScrubbedWriter {
  readonly status: { readonly state: SetState };
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** Asks the agent for blocks of the newest point. */
  want(blocks: readonly Want[]): void;
}

export interface SetScrubDeps {
  readonly store: SetStore;
  readonly writer: ScrubbedWriter;
  readonly siblings: () => readonly SetStore[];
  readonly core: HashCore;
  readonly posix: Posix;
  readonly clock: Clock;
  readonly log: Log;
  readonly rate: ByteRate;
  /** From the end of one round to the beginning of the next, ms; Infinity for none by itself. */
  readonly everyMs: number;
}

/** While a sync is under way only this part of the rate is used. */
const YIELD_SHARE = 0.1;
const REST_MS = 100;
/** A set that never was scrubbed is left alone for so long after start. */
const FIRST_MS = 10 * 60_000;
/** Between two tries of a round that failed. */
const RETRY_MS = 60_000;
/** The agent is asked again for the same block after so long. */
const ASK_AGAIN_MS = 10 * 60_000;
/** Damage shown in one answer. */
const SHOWN_MAX = 1000;
const LOOK_MS_MAX = 60_000;
/** The log of the index is settled when it is longer, as SQLite would by itself. */
const LOG_BYTES_MAX = 4 * 1024 * 1024;
/** Marks what is never asked for; it counts as not asked. */
const NEVER_MS = 0;

export class SetScrub {
  readonly #deps: SetScrubDeps;
  readonly #db: ScrubDb;
  readonly #twin: IndexTwin;
  readonly #startedMs: number;
  readonly #closing = new AbortController();
  #stop = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  #isRunning = false;
  #asked = false;
  #committed = false;
  #settling: Promise<void> | undefined;
  #failedMs = -Infinity;

  constructor(deps: SetScrubDeps) {
    this.#deps = deps;
    this.#db = new ScrubDb(deps.store.folder);
    this.#twin = new IndexTwin(deps.store.folder, deps.core);
    // From now on only settling moves pages to the index: else a twin would be outdated by SQLite.
    deps.store.writer.db.pragma('wal_autocheckpoint = 0');
    this.#startedMs = deps.clock.now();
    for (const { kind, point } of this.#db.findings()) {
      if (kind === 'point' && point !== null) deps.store.distrusted.add(point);
    }
  }

  /** Begins to scrub when a round is due. */
  start(): void {
    this.#running ??= this.#loop();
  }

  /** A round goes on, or begins, now. */
  begin(): void {
    this.#db.setPaused(0);
    this.#asked = true;
    this.#failedMs = -Infinity;
    this.#wakeUp();
  }

  pause(): void {
    this.#db.setPaused(1);
    this.#stop.abort();
  }

  resume(): void {
    this.#db.setPaused(0);
    this.#wakeUp();
  }

  /** Of all sets, until the replica restarts. */
  setRate(bytesPerSecond: number): void {
    this.#deps.rate.set(bytesPerSecond);
  }

  /** A point was cut: blocks that the agent was asked for may be whole. */
  committed(): void {
    this.#committed = true;
    this.#wakeUp();
    void this.wrote();
  }

  /** The index was written to: its log is settled when it is long. Never rejects. */
  async wrote(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#settling ??= this.#settle(LOG_BYTES_MAX).finally(() => {
      this.#settling = undefined;
    });
    await this.#settling;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stop.abort();
    this.#wakeUp();
    await this.#running;
    await this.#settling;
    if (this.#twin.isCurrent) await this.#settle(0);
    this.#twin.close();
    this.#db.close();
  }

  summary(): ScrubSummary {
    const { found, repaired } = this.#db.totals;
    const damaged = this.#db.damagedCount;
    return {
      state: this.#isRunning ? 'running' : this.#db.paused ? 'paused' : 'idle',
      lastEndedMs: this.#db.last?.endedMs ?? null,
      found,
      repaired,
      damaged,
      wanted: damaged === 0 ? 0 : this.#db.wantedCount,
      findings: this.#db.findings().filter(({ kind }) => kind !== 'tree').length,
    };
  }

  status(): ScrubStatus {
    const { store, rate } = this.#deps;
    const { current, last } = this.#db;
    const summary = this.summary();
    const damage = this.#db.damage(SHOWN_MAX).map((row) => this.#present(row));
    const space = new StoredSetReader(store).space();
    const bytesTotal = space.baseBytes + space.atticBytes + space.packBytes + space.indexBytes;
    return {
      ...summary,
      set: store.set,
      bytesPerSecond: rate.bytesPerSecond,
      round:
        current === undefined
          ? null
          : { ...roundOf(current), stage: current.cursor.stage, bytesTotal },
      last: last?.endedMs == null ? null : { ...roundOf(last), endedMs: last.endedMs },
      damage,
      damageLeftOut: Math.max(0, summary.damaged - damage.length),
      notes: this.#db.findings(),
    };
  }

  // ——— rounds ———

  async #loop(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        if (this.#committed) {
          this.#committed = false;
          await this.#recheckAsked();
        }
        this.#askAgent();
        if (this.#dueMs() <= this.#deps.clock.now()) {
          await this.#round();
          continue;
        }
      } catch (error) {
        this.#failed(error);
      }
      const waitMs = Math.min(LOOK_MS_MAX, Math.max(0, this.#dueMs() - this.#deps.clock.now()));
      await delay(waitMs, undefined, { signal: this.#wake.signal, ref: false }).catch(
        () => undefined,
      );
      this.#wake = new AbortController();
    }
  }

  /** Gives the index's twin what the log of the index has, once it is more than `bytesMin`. */
  async #settle(bytesMin: number): Promise<void> {
    const { store, writer, log } = this.#deps;
    try {
      if (this.#twin.logBytes <= bytesMin) return;
      await betweenSyncs(writer, () => this.#twin.settle(store.writer, new TimeSlice()));
    } catch (error) {
      // SQLite empties the log by itself then; the twin is made anew once it can be.
      store.writer.db.pragma('wal_autocheckpoint = 1000');
      log.error("the index's twin could not be written", error, { set: store.set });
    }
  }

  /** When the next round is due; what was begun goes on at once. */
  #dueMs(): number {
    if (this.#db.paused || newestPoint(this.#deps.store.index) === 0) return Infinity;
    if (this.#failedMs > -Infinity) return this.#failedMs + RETRY_MS;
    if (this.#asked || this.#db.current !== undefined) return 0;
    const { last } = this.#db;
    if (last?.endedMs == null) return this.#startedMs + Math.min(FIRST_MS, this.#deps.everyMs);
    return last.endedMs + this.#deps.everyMs;
  }

  async #round(): Promise<void> {
    const { log, store } = this.#deps;
    this.#stop = new AbortController();
    if (this.#closing.signal.aborted) return;
    this.#isRunning = true;
    this.#failedMs = -Infinity;
    this.#asked = false;
    try {
      await this.#newRound(this.#stop.signal).run();
      const { last } = this.#db;
      log.info('scrub round ended', {
        set: store.set,
        bytes: last?.bytes,
        found: last?.found,
        repaired: last?.repaired,
        damaged: this.#db.damagedCount,
      });
    } finally {
      this.#isRunning = false;
    }
  }

  #newRound(signal: AbortSignal): ScrubRound {
    const { writer } = this.#deps;
    const deps: ScrubRoundDeps = {
      ...this.#deps,
      db: this.#db,
      twin: this.#twin,
      signal,
      exclusively: (work) => betweenSyncs(writer, work),
      take: async (bytes) => {
        const share = writer.status.state === 'idle' ? 1 : YIELD_SHARE;
        await this.#deps.rate.take(bytes, { share, signal });
      },
      rest: () => delay(REST_MS, undefined, { signal }).catch(() => undefined),
      onProgress: () => {
        this.#askAgent();
      },
    };
    return new ScrubRound(deps);
  }

  #failed(cause: unknown): void {
    const error = asAfterimageError(cause);
    if (error.code === 'cancelled') return;
    this.#failedMs = this.#deps.clock.now();
    if (isForeign(cause) && this.#db.isBroken) this.#db.renew();
    this.#deps.log.error('scrubbing failed; it is tried again', error, {
      set: this.#deps.store.set,
    });
  }

  #wakeUp(): void {
    this.#wake.abort();
  }

  // ——— the agent ———

  /** Asks the agent for blocks of the newest point that nothing here can repair. */
  #askAgent(): void {
    const { clock, store, writer } = this.#deps;
    const nowMs = clock.now();
    const rows = this.#db.toAsk(nowMs - ASK_AGAIN_MS, WANTS_MAX);
    const wants: Want[] = [];
    for (const row of rows) {
      const body = bodyRow(store.index, row.body);
      const isLive = body?.died === LIVE;
      if (isLive) wants.push({ node: body.node, block: row.block });
      // One that no agent can have any more is not looked at again for that.
      this.#db.asked(row, isLive ? nowMs : NEVER_MS);
    }
    if (wants.length > 0) writer.want(wants);
  }

  async #recheckAsked(): Promise<void> {
    if (this.#db.damagedCount === 0) return;
    const round = this.#newRound(this.#closing.signal);
    for (const { body, block } of this.#db.askedBlocks(WANTS_MAX)) {
      await round.recheck({ body, block });
    }
  }

  #present(row: DamageRow): ScrubDamage {
    const { index } = this.#deps.store;
    const body = bodyRow(index, row.body);
    const point = row.to > 0 ? row.to : newestPoint(index);
    const path = body === undefined ? undefined : pathOfNode(index, body.node, point);
    return {
      path: path === undefined ? null : toPathText(path),
      block: row.block,
      points: row.to > 0 ? { from: row.from, to: row.to } : null,
      state: row.askedMs === null || row.askedMs === NEVER_MS ? 'damaged' : 'wanted',
      foundMs: row.foundMs,
    };
  }
}

/** Work under the set's lock while base, packs and index are those of the newest point. */
export function betweenSyncs<T>(
  writer: Pick<ScrubbedWriter, 'status' | 'exclusively'>,
  work: () => Promise<T>,
): Promise<T | 'busy'> {
  return writer.exclusively(async () => (isOpenState(writer.status.state) ? await work() : 'busy'));
}

function roundOf(row: {
  number: number;
  startedMs: number;
  bytes: number;
  found: number;
  repaired: number;
}): { number: number; startedMs: number; bytes: number; found: number; repaired: number } {
  const { number, startedMs, bytes, found, repaired } = row;
  return { number, startedMs, bytes, found, repaired };
}
