/**
 * The one writer of a set: drives a sync from its first frame to its point, and finishes at start
 * what a crash cut off. Everything here happens one after the other, under one lock.
 */
import fs from 'node:fs';
import { AfterimageError, asAfterimageError, isBrokenDatabase } from '../shared/errors.js';
import { Mutex } from '../shared/mutex.js';
import type { SetStore } from './history/set-store.js';
import {
  applyToPoint,
  makeSearchable,
  flushFailed,
  markSealed,
  type PipelineDeps,
  sealSync,
  startApplying,
} from './pipeline.js';
import { listState } from './history/list-state.js';
import { newestPoint } from './index/nodes.js';
import { indexNames } from './index/names.js';
import type { SetEvent, SetPort, SignatureRequest, StagedFrame } from './receive/set-port.js';
import { SetChores } from './set-chores.js';
import { emptyFolders, sweepAttic, sweepPark } from './set-folders.js';
import { beginOf, checkParent, syncBegunBy } from './stage/begin-of.js';
import { type IntentFolders, intentFolders } from './stage/intent-db.js';
import { CleanUp } from './stage/clean-up.js';
import { answerHas, KnownBlocks } from './stage/known-blocks.js';
import { Leftovers } from './stage/leftovers.js';
import { ParentState } from './stage/parent-state.js';
import { type Want, wantsOf } from './stage/seal-content.js';
import { SetEvents } from './set-events.js';
import { setPosition } from './set-position.js';
import { signatureOfNode } from './stage/signature.js';
import { BackgroundFlush } from './stage/background-flush.js';
import { isStorageTrouble, Stall } from './stall.js';
import type { Allowance } from './space-guard.js';
import { type Received, Staging, type StagingDeps } from './stage/staging.js';
import { type SetState, SetStateMachine } from './state.js';

export interface SetWriterDeps extends Omit<PipelineDeps, 'known' | 'flushAll'> {
  /** Throws `quota-exceeded` or `storage-full` when no sync may begin now (R20). */
  readonly admit: () => Allowance | undefined;
  /** Bytes received between two flushes; for tests. */
  readonly flushBytes?: number;
}

export class SetWriter implements SetPort {
  readonly set: string;
  readonly #deps: SetWriterDeps;
  readonly #store: SetStore;
  readonly #folders: IntentFolders;
  readonly #lock = new Mutex();
  readonly #chores = new SetChores();
  readonly #machine = new SetStateMachine();
  readonly #events = new SetEvents();
  readonly #leftovers: Leftovers;
  readonly #cleanUp: CleanUp;
  readonly #parent: ParentState;
  readonly #known: KnownBlocks;
  readonly #anchor: number;
  readonly #pipeline: PipelineDeps;
  readonly #closing = new AbortController();
  readonly #flush: BackgroundFlush;
  readonly #stall: Stall;
  #staging: Staging | undefined;
  #received = { boot: '', sequence: 0 };

  private constructor(deps: SetWriterDeps) {
    this.#deps = deps;
    this.#store = deps.store;
    this.set = deps.store.set;
    this.#folders = intentFolders(deps.store.folder);
    this.#leftovers = new Leftovers(this.#folders);
    this.#cleanUp = new CleanUp(this.#folders, this.#leftovers);
    this.#parent = new ParentState(deps.store.source);
    this.#known = new KnownBlocks(deps.store, () => [
      ...(this.#staging === undefined ? [] : [this.#staging.store]),
      ...this.#leftovers.stores,
    ]);
    this.#anchor = fs.openSync(deps.store.folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    const flushAll = (): Promise<void> => deps.posix.syncfs(this.#anchor);
    this.#flush = new BackgroundFlush({ ...deps, flushAll });
    this.#stall = new Stall({
      log: deps.log.with({ set: this.set }),
      signal: this.#closing.signal,
      emit: this.#events.tell,
      meanwhile: () => this.#chores.run(),
      rollBack: () => {
        const db = this.#staging?.intent.db;
        if (db?.inTransaction === true && this.#machine.state !== 'receiving') db.exec('ROLLBACK');
      },
    });
    this.#pipeline = { ...deps, known: this.#known, flushAll };
  }

  /** Opens the set's writer and brings an interrupted sync to its end, forward or back. */
  static async open(deps: SetWriterDeps): Promise<SetWriter> {
    const writer = new SetWriter(deps);
    await writer.#lock.run(() => writer.#recover()).catch((error: unknown) => writer.#fail(error));
    return writer;
  }

  /** What recovery left to be tried again must not go on beside the next writer of the set. */
  async #fail(error: unknown): Promise<never> {
    await this.close().catch((closing: unknown) => {
      this.#deps.log.error('a set that did not open could not be closed', closing);
    });
    throw error;
  }

  /** What the set is doing and what keeps it from going on; `received`: of the sync under way. */
  get status(): { readonly state: SetState; readonly stalled: AfterimageError | undefined } {
    return { state: this.#machine.state, stalled: this.#stall.error };
  }

  get received(): Received | undefined {
    return this.#staging?.received;
  }

  position(): ReturnType<SetPort['position']> {
    return setPosition(this.#store.writer, this.#staging?.status(), this.#received);
  }

  onEvent(listener: (event: SetEvent) => void): { unsubscribe(): void } {
    return this.#events.listen(listener);
  }

  stage(frame: StagedFrame): Promise<void> {
    return this.#lock.run(() => this.#stall.untilStored(() => this.#stageFrame(frame)));
  }

  abandon(reason: string): Promise<void> {
    return this.#lock.run(async () => {
      if (this.#staging === undefined || this.#machine.state !== 'receiving') return;
      this.#deps.log.info('a sync under way was dropped', { set: this.set, reason });
      await this.#drop();
    });
  }

  has(digests: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(answerHas(this.#known, digests));
  }

  signature(request: SignatureRequest): Promise<Uint8Array> {
    return signatureOfNode(this.#store, request);
  }

  listState(cursor: string): ReturnType<SetPort['listState']> {
    return Promise.resolve(listState(this.#store, cursor));
  }

  /** Runs work that nothing else on the set may meet: between steps of syncs, or while one is stalled. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#chores.add(work);
    void this.#lock.run(() => this.#chores.run());
    return done;
  }

  /** Asks the agent to send these blocks of the newest point again. */
  want(blocks: readonly Want[]): void {
    this.#events.tell({ type: 'wanted', blocks });
  }

  /** Stops after the step under way; a sync cut off here goes on at the next start. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#flush.settled();
    await this.#lock.run(() => {
      this.#staging?.close();
      this.#staging = undefined;
      this.#leftovers.close();
      fs.closeSync(this.#anchor);
      return Promise.resolve();
    });
  }

  // ——— receiving ———

  async #stageFrame(frame: StagedFrame): Promise<void> {
    if (this.#closing.signal.aborted)
      throw new AfterimageError('cancelled', 'the replica is stopping');
    try {
      await this.#beginIfFirst(frame);
      if (this.#staging === undefined || this.#machine.state !== 'receiving') {
        this.#events.tell({ type: 'durable', boot: frame.boot, sequence: frame.sequence });
        return;
      }
      const failure = this.#flush.takeFailure();
      if (failure !== undefined) throw flushFailed(failure);
      await this.#takeOnce(this.#staging, frame);
      if (this.#staging.ended) this.#sealSoon();
      else if (this.#flush.due) this.#flushSoon();
    } catch (error) {
      await this.#refuseOrThrow(error, frame);
    }
  }

  /** A frame comes here again when what followed it failed. */
  async #takeOnce(staging: Staging, { boot, sequence, body }: StagedFrame): Promise<void> {
    if (boot === this.#received.boot && sequence <= this.#received.sequence) return;
    await staging.take({ sequence, body });
    await this.#pipeline.looks?.during(staging);
    this.#received = { boot, sequence };
    this.#flush.received(body.length);
  }

  async #beginIfFirst(frame: StagedFrame): Promise<void> {
    const record = beginOf(frame.body);
    if (record === undefined) return;
    if (this.#staging !== undefined) {
      const status = this.#staging.status();
      if (status.boot === frame.boot && status.sync === record.sync) return;
      await this.#drop();
    }
    checkParent(this.#store.writer, record);
    const allowance = this.#deps.admit();
    await emptyFolders(this.#folders.intent, this.#folders.new, this.#folders.park);
    this.#parent.forget();
    this.#staging = Staging.begin(this.#stagingDeps(), { boot: frame.boot, record, allowance });
    this.#received = { boot: frame.boot, sequence: frame.sequence - 1 };
    this.#flush.forget();
    this.#machine.to('receiving');
    this.#events.tell({ type: 'begun', sync: record.sync });
  }

  /** A bad record drops the sync and tells the agent; trouble of ours is thrown. */
  async #refuseOrThrow(error: unknown, frame: StagedFrame): Promise<void> {
    const refusal = asAfterimageError(error);
    if (isStorageTrouble(refusal)) throw refusal;
    const wants = wantsOf(refusal);
    await this.#refuse(refusal, {
      sync: this.#staging?.status().sync ?? syncBegunBy(frame.body),
      wants,
    });
    this.#events.tell({ type: 'durable', boot: frame.boot, sequence: frame.sequence });
  }

  async #refuse(
    error: AfterimageError,
    at: { sync: number; wants: readonly Want[] },
  ): Promise<void> {
    if (error.kind === 'bug')
      this.#deps.log.error('a defect of this program', error.cause ?? error);
    const said = { code: error.code, error: error.message };
    this.#deps.log.warn('a sync was refused', { set: this.set, sync: at.sync, ...said });
    if (this.#staging !== undefined) await this.#drop(error);
    this.#events.tell({ type: 'refused', sync: at.sync, error, wants: at.wants });
  }

  /** Drops the sync; its blocks stay for the next one (R12), unless its intent is what is broken. */
  async #drop(because?: AfterimageError): Promise<void> {
    this.#staging?.close();
    this.#staging = undefined;
    if (!isBrokenDatabase(because?.cause)) this.#leftovers.keep();
    this.#store.promised.clear();
    await emptyFolders(this.#folders.intent, this.#folders.new);
    this.#machine.to('idle');
  }

  /** Makes what was received durable while receiving goes on; tells the agent how far. */
  #flushSoon(): void {
    const staging = this.#staging;
    const upTo = this.#received;
    staging?.commitRows();
    this.#flush.start(async () => {
      await this.#lock.run(async () => {
        // The mark is for a sync still receiving: sealing makes its own, a dropped sync needs none.
        if (staging === undefined || this.#staging !== staging) return;
        if (this.#machine.state !== 'receiving') return;
        staging.markDurable(upTo.sequence);
        this.#events.tell({ type: 'durable', ...upTo });
        await Promise.resolve();
      });
    });
  }

  // ——— sealing and applying ———

  #sealSoon(): void {
    this.#lock
      .run(() => this.#stall.untilStored(() => this.#finish()))
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted)
          this.#deps.log.error('finishing a sync failed', error, { set: this.set });
      });
  }

  /** From the last frame to the new point; may be entered again after a failure at any step. */
  async #finish(): Promise<void> {
    const staging = this.#staging;
    if (staging === undefined) return this.#cleanUp.again();
    const state = this.#machine.state;
    if (state === 'receiving' || state === 'sealing') {
      this.#machine.to('sealing');
      if (!(await this.#seal(staging))) return;
    }
    if (this.#machine.state === 'sealed') {
      startApplying(this.#pipeline, staging);
      this.#machine.to('applying');
    }
    if (this.#machine.state === 'applying') await this.#apply(staging);
  }

  async #seal(staging: Staging): Promise<boolean> {
    let sealed: ReturnType<Staging['markSealed']>;
    try {
      const wants = await sealSync(this.#pipeline, staging);
      if (wants.length > 0) {
        const message = `${wants.length} blocks do not come out as the agent says`;
        const error = new AfterimageError('digest-mismatch', message);
        await this.#refuse(error, { sync: staging.status().sync, wants });
        return false;
      }
      sealed = markSealed(staging);
    } catch (error) {
      const refusal = asAfterimageError(error);
      if (isStorageTrouble(refusal)) throw refusal;
      await this.#refuse(refusal, { sync: staging.status().sync, wants: [] });
      return false;
    }
    this.#machine.to('sealed');
    this.#events.tell({ type: 'durable', ...this.#received });
    this.#events.tell({ type: 'sealed', ...sealed });
    return true;
  }

  async #apply(staging: Staging): Promise<void> {
    const startedMs = this.#deps.clock.monotonic();
    const cut = await applyToPoint(this.#pipeline, staging);
    this.#machine.to('idle');
    this.#events.tell({ type: 'committed', ...cut });
    const applyMs = Math.round(this.#deps.clock.monotonic() - startedMs);
    this.#deps.log.info('point cut', { set: this.set, point: cut.point, sync: cut.sync, applyMs });
    await makeSearchable(this.#pipeline, cut.point, staging);
    await this.#dropCut(staging);
    this.#store.certify();
  }

  // ——— start ———

  async #recover(): Promise<void> {
    const { writer } = this.#store;
    this.#staging = Staging.reopen(this.#stagingDeps());
    if (writer.get('SELECT 1 FROM applying') !== undefined) await this.#redo();
    else if (this.#staging?.isPoint(writer) === true) await this.#dropCut(this.#staging);
    else if (this.#staging !== undefined) await this.#resume(this.#staging);
    // What a dropped sync left stays: the next one may need it (R12).
    else {
      await sweepPark(this.#store);
      await emptyFolders(this.#folders.intent, this.#folders.new);
    }
    if (this.#machine.state === 'idle') sweepAttic(this.#store, this.#deps.log);
    await indexNames(writer, newestPoint(writer), undefined);
  }

  /** A crash between transactions A and B: there is only redo. */
  async #redo(): Promise<void> {
    if (this.#staging === undefined) {
      const message = `set ${this.set}: a sync was being applied and its intent is gone`;
      throw new AfterimageError('damaged', message);
    }
    this.#machine.to('applying');
    await this.#finishOrGoOn();
  }

  /** Trouble of one set must not keep the others from being opened: it is tried again behind them. */
  async #finishOrGoOn(): Promise<void> {
    if (!(await this.#stall.isStored(() => this.#finish()))) this.#sealSoon();
  }

  /** A crash before transaction A: what is on disk goes on, verified once more when it is whole (R19). */
  async #resume(staging: Staging): Promise<void> {
    const { boot, sealed, durable } = staging.status();
    await sweepPark(this.#store);
    this.#machine.to('receiving');
    this.#received = { boot, sequence: durable };
    if (sealed || staging.ended) await this.#finishOrGoOn();
  }

  /** The intent became the newest point: it is done with. */
  async #dropCut(staging: Staging): Promise<void> {
    staging.close();
    this.#staging = undefined;
    this.#store.promised.clear();
    this.#parent.forget();
    await this.#cleanUp.run();
  }

  #stagingDeps(): StagingDeps {
    return {
      folders: this.#folders,
      core: this.#deps.core,
      posix: this.#deps.posix,
      source: this.#store.source,
      parent: this.#parent,
      known: () => this.#known,
      admit: this.#deps.admit,
    };
  }
}
