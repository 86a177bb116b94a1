/** A set on a simulated disk with full copies of its points: opens it, kills it, and looks for what is wrong. */
import { type AfterimageError, asAfterimageError } from '../../shared/errors.js';
import { silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { TimeSlice } from '../../shared/time-slice.js';
import { Patience } from '../../replica/history/patience.js';
import { StoredSetReader } from '../../replica/history/stored-set-reader.js';
import { rewritePacks } from '../../replica/history/packs-rewrite.js';
import { prunePoints } from '../../replica/retain/prune-points.js';
import { checkRows } from '../../replica/verify/check-rows.js';
import { scanContent } from '../../replica/verify/scan-content.js';
import { verifySet } from '../../replica/verify/verify-set.js';
import { Seeded } from '../support/seeded.js';
import { baseDifferences, indexDifferences, leftovers } from './base-check.js';
import type { SimulatedDisk } from './disk/simulated-disk.js';
import { differences, type FullCopy, readPoint } from './full-copy.js';
import { core, openModelSet, type OpenSet } from './open-set.js';
import type { Trouble } from './script.js';

/** Something a point, the base or a promise is not. */
export class Wrong extends Error {
  constructor(what: readonly string[]) {
    super(what.slice(0, 8).join('\n'));
    this.name = 'Wrong';
  }
}

/** A trouble that struck, and the step where it did, as `name#n`. */
export interface Struck {
  readonly trouble: Trouble;
  readonly step: string;
}

export interface RunCounts {
  readonly strikes: Struck[];
  pointsRead: number;
  syncs: number;
  recoveries: number;
  /** Steps of the last sync or removal since its last trouble, as `name#n`. */
  steps: readonly string[];
}

const posix = loadPosix();
/** So little that frames of a sync are acknowledged as durable while others come. */
const FLUSH_BYTES = 60_000;

export class CheckedSet {
  readonly disk: SimulatedDisk;
  readonly copies = new Map<number, FullCopy>();
  /** What the newest point may be, while its sync is on its way. */
  pending: { readonly point: number; readonly copy: FullCopy } | undefined;
  /** Points that were told to go. */
  mayBeGone: ReadonlySet<number> = new Set();
  readonly counts: RunCounts = { strikes: [], pointsRead: 0, syncs: 0, recoveries: 0, steps: [] };
  #open: OpenSet | undefined;
  #trouble: Trouble | undefined;
  #stalls: Promise<void> = Promise.resolve();
  #giveUp: (wrong: Wrong) => void = () => undefined;
  /** Rejects with what is wrong while the product waits. */
  readonly #givenUp: Promise<never>;

  constructor(disk: SimulatedDisk) {
    this.disk = disk;
    this.#givenUp = new Promise((_, reject) => {
      this.#giveUp = reject;
    });
    this.#givenUp.catch(() => undefined);
  }

  get open(): OpenSet {
    if (this.#open === undefined) throw new Error('the set is not open');
    return this.#open;
  }
  get point(): number {
    return this.open.writer.position().point;
  }

  /** The next trouble to come; the steps of its name or number count from here. */
  arm(trouble: Trouble | undefined): void {
    this.#trouble = trouble;
    this.counts.steps = [...this.disk.steps.trace];
    if (trouble === undefined) this.disk.steps.arm(undefined);
    else this.disk.steps.arm({ ...trouble, how: trouble.how === 'full' ? 'full' : 'kill' });
  }

  /** Runs something that can be struck; `killed` when the process died meanwhile. */
  async live<T>(work: Promise<T>): Promise<T | 'killed'> {
    work.catch(() => undefined);
    return Promise.race([work, this.disk.steps.untilKilled(), this.#givenUp]);
  }

  /** Opens the set, again and again while troubles strike. */
  async start(troubles: Trouble[]): Promise<void> {
    for (;;) {
      const opened = await this.#process().catch((error: unknown) => {
        if (this.disk.steps.killed !== undefined || (this.#noteFull() && isFull(error)))
          return undefined;
        throw error;
      });
      if (opened === undefined || this.disk.steps.killed !== undefined) {
        await this.#bury(opened);
        this.arm(troubles.shift());
        continue;
      }
      this.#open = opened;
      opened.writer.onEvent((event) => {
        if (event.type === 'stalled') this.#whileStalled(event.error);
      });
      const { stalled } = opened.writer.status;
      if (stalled !== undefined) this.#whileStalled(stalled);
      const settled = await this.live(this.#settled(opened));
      if (settled === 'killed') await this.die(troubles);
      else return;
    }
  }

  #process(): Promise<OpenSet> {
    return openModelSet(this.disk.folder, { flushBytes: FLUSH_BYTES });
  }

  /** Ends the dead process, and its machine's power with it when that was the trouble; arms the next one. */
  async die(troubles: Trouble[]): Promise<void> {
    const { killed } = this.disk.steps;
    if (killed === undefined) throw new Error('nobody died');
    await this.#bury(this.#open);
    this.arm(troubles.shift());
  }

  /** Nothing of a dead process may run on: it is told to close, which it can do nothing for any more. */
  async #bury(open: OpenSet | undefined): Promise<void> {
    const trouble = this.#trouble;
    this.#open = undefined;
    this.#trouble = undefined;
    this.counts.recoveries += 1;
    const { killed: step } = this.disk.steps;
    if (trouble !== undefined && step !== undefined) this.counts.strikes.push({ trouble, step });
    await open?.writer.close().catch(() => undefined);
    try {
      open?.store.close();
    } catch {
      // A dead process closes nothing; what it left open is closed below.
    }
    await this.#stalls;
    const cut = step !== undefined && trouble?.how === 'power' ? trouble : undefined;
    this.disk.restart(
      cut === undefined ? undefined : { kept: cut.kept, random: new Seeded(cut.salt) },
    );
  }

  /** The process ends in good order. */
  async stop(): Promise<void> {
    await this.#open?.close();
    this.#open = undefined;
  }

  /** Readers are served while a set is stalled (R9, R19); then the disk has room again. */
  #whileStalled(error: AfterimageError): void {
    if (this.disk.steps.killed !== undefined) return;
    if (!this.#noteFull()) {
      this.#giveUp(new Wrong([`stalled: ${error.message}`]));
      return;
    }
    this.#stalls = this.#stalls.then(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      try {
        if (this.disk.steps.killed === undefined) await this.checkPoints('while stalled');
      } catch (wrong) {
        this.#giveUp(wrong instanceof Wrong ? wrong : new Wrong([String(wrong)]));
      }
      this.disk.endWaits();
    });
  }

  /** Whether the disk was full just now, because that was the trouble. */
  #noteFull(): boolean {
    const { failed } = this.disk.steps;
    if (this.#trouble?.how !== 'full' || failed === undefined) return false;
    this.counts.strikes.push({ trouble: this.#trouble, step: failed });
    this.#trouble = undefined;
    return true;
  }

  /** Waits until what recovery left running in the background is done. */
  async #settled({ writer }: OpenSet): Promise<void> {
    while (writer.status.stalled !== undefined)
      await new Promise((resolve) => setImmediate(resolve));
    await this.#stalls;
    if (writer.status.state !== 'receiving') await writer.abandon('nothing is under way');
  }

  /** The agent has another sync; what was received of this one is dropped. */
  async abandon(): Promise<'killed' | 'dropped'> {
    const { writer } = this.open;
    try {
      await writer.abandon('the agent has another sync').catch(async (error: unknown) => {
        if (!this.#noteFull()) throw error;
        await writer.abandon('the agent asks once more');
      });
    } catch (error) {
      if (this.disk.steps.killed === undefined) throw error;
    }
    return this.disk.steps.killed === undefined ? 'dropped' : 'killed';
  }

  /** Removes points as retention does, and rewrites packs; a full disk ends it until the next time. */
  async prune(points: readonly number[]): Promise<'killed' | 'ended'> {
    try {
      await this.#prune(points);
    } catch (error) {
      if (this.disk.steps.killed === undefined && !this.#noteFull()) throw error;
    }
    return this.disk.steps.killed === undefined ? 'ended' : 'killed';
  }

  async #prune(points: readonly number[]): Promise<void> {
    const { writer, store } = this.open;
    const reason = { policy: 'model', by: 'model', timeMs: 1 };
    await writer.exclusively(() => prunePoints(store, { points, reason }));
    await rewritePacks({
      store,
      log: silentLog,
      exclusively: (work) => writer.exclusively(work),
      mayMove: () => true,
      bytesPerSecond: 1e9,
      signal: new AbortController().signal,
      rollBytesMin: 1,
    });
  }

  // ——— what must be true ———

  /** Newest point that has a copy; 0 for none. */
  get newest(): number {
    return Math.max(0, ...this.copies.keys());
  }

  /** Every point is there and reads back as its copy. */
  async checkPoints(when: string): Promise<void> {
    const found = new StoredSetReader(this.open.store).points().map(({ point }) => point);
    const wrong: string[] = [];
    for (const point of found) {
      const copy = this.#copyOf(point);
      if (copy === undefined) wrong.push(`point ${point} should not be`);
      else wrong.push(...(await this.#wrongIn(point, copy)));
    }
    for (const point of this.copies.keys())
      if (!found.includes(point) && !this.mayBeGone.has(point))
        wrong.push(`point ${point} is gone`);
    if (wrong.length > 0) throw new Wrong(wrong.map((line) => `${when}: ${line}`));
  }

  #copyOf(point: number): FullCopy | undefined {
    return (
      this.copies.get(point) ?? (this.pending?.point === point ? this.pending.copy : undefined)
    );
  }

  /** Points that went are forgotten. */
  forgetGone(): void {
    const found = new Set(new StoredSetReader(this.open.store).points().map(({ point }) => point));
    for (const point of this.copies.keys()) if (!found.has(point)) this.copies.delete(point);
    this.mayBeGone = new Set();
  }

  async #wrongIn(point: number, copy: FullCopy): Promise<string[]> {
    this.counts.pointsRead += 1;
    try {
      const lines = differences(await readPoint(this.open.store, point), copy);
      return lines.map((line) => `point ${point}: ${line}`);
    } catch (error) {
      if (this.disk.steps.killed !== undefined) return [];
      return [`point ${point}: ${asAfterimageError(error).message}`];
    }
  }

  /** Points, base, and that nothing lies about. */
  async check(
    when: string,
    set: 'staged' | 'idle, with dropped syncs' | 'idle' = 'idle, with dropped syncs',
  ): Promise<void> {
    await this.checkPoints(when);
    const { store } = this.open;
    const newest = this.#copyOf(this.point) ?? new Map<string, never>();
    const wrong = [
      ...baseDifferences(store.folder, newest),
      ...indexDifferences(store),
      ...(set === 'staged' ? [] : leftovers(store, { dropped: set !== 'idle' })),
    ].map((line) => `${when}: ${line}`);
    if (wrong.length > 0) throw new Wrong(wrong);
  }

  /** What `afterimage verify` and a scrub find. */
  async verify(): Promise<void> {
    const findings: string[] = [];
    const { signal } = new AbortController();
    const reader = new StoredSetReader(this.open.store);
    for await (const line of verifySet(reader, { hash: core, depth: 'data', signal }))
      if (line.type === 'finding') findings.push(JSON.stringify(line));
    findings.push(...(await this.#scrub()));
    if (findings.length > 0) throw new Wrong(findings);
  }

  /** What a scrub round finds: rows that contradict themselves, blocks that are not as their digests say. */
  async #scrub(): Promise<string[]> {
    const { index, packs, folder: setFolder } = this.open.store;
    const findings = [...checkRows(index)].flatMap((finding) => finding?.message ?? []);
    const scan = scanContent(
      { index, packs, setFolder, core, posix, slice: new TimeSlice(), patience: new Patience() },
      { body: 0, block: 0 },
    );
    for await (const { body, suspects } of scan)
      for (const block of suspects) findings.push(`scrub: block ${block} of body ${body}`);
    return findings;
  }
}

function isFull(error: unknown): boolean {
  return asAfterimageError(error).code === 'storage-full';
}
