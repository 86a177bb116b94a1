/**
 * Runs a script against the product's own writer, on a simulated disk, and says what was wrong. A full
 * copy of each state is kept; after every trouble the set is opened again as the replica does it, and
 * every point must read back as its copy. Then the sync that was cut off goes on, or another comes.
 */
import os from 'node:os';
import { messageOf } from '../../shared/errors.js';
import type { SetEvent } from '../../replica/receive/set-port.js';
import { CheckedSet, type RunCounts, Wrong } from './checked-set.js';
import { realFs } from './disk/real-fs.js';
import { SimulatedDisk } from './disk/simulated-disk.js';
import { core } from './open-set.js';
import type { PruneStep, Script, Step, SyncStep, Trouble } from './script.js';
import { beginRecord, blockDigests, endRecord, SyncRecords, toFrames } from './sync-records.js';
import { Tree } from './tree.js';

export interface RunResult {
  /** Undefined when all was right. */
  readonly wrong: string | undefined;
  /** The script's step at which it was noticed, from 0. */
  readonly step: number;
  readonly counts: RunCounts;
  /** What the disk was asked for since the last trouble was armed, for finding out why. */
  readonly trace: readonly string[];
}

/** A folder in memory when the machine has one: nothing is flushed, the model makes flushes up. */
export function modelFolder(): string {
  const memory = '/dev/shm';
  const above = realFs.existsSync(memory) ? memory : os.tmpdir();
  return realFs.mkdtempSync(`${above}/afterimage-model-`);
}

export async function runScript(script: Script): Promise<RunResult> {
  const folder = modelFolder();
  const disk = new SimulatedDisk(folder);
  const run = new ScriptRun(disk);
  disk.install();
  let step = -1;
  const result = (wrong: string | undefined): RunResult => ({
    wrong,
    step,
    counts: run.set.counts,
    trace: [...disk.steps.trace],
  });
  try {
    await run.begin();
    for (const [index, each] of script.entries()) {
      step = index;
      await run.step(each);
    }
    step = script.length;
    await run.end();
    return result(undefined);
  } catch (error) {
    return result(error instanceof Wrong ? error.message : textOf(error));
  } finally {
    disk.steps.arm(undefined);
    await run.set.stop().catch(() => undefined);
    disk.abandon();
    disk.uninstall();
    realFs.rmSync(folder, { recursive: true, force: true });
  }
}

function textOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const cause = error instanceof Error && error.cause !== undefined ? textOf(error.cause) : '';
  return `threw ${messageOf(error)}\n${stack}\n${cause}`;
}

/** A sync on its way, as the agent has it: the same frames until it is told to drop them. */
interface Outgoing {
  readonly sync: number;
  readonly boot: string;
  readonly from: number;
  /** It may build on bytes that a power cut can have taken: what the replica said it has, or frames before. */
  readonly copies: boolean;
  readonly frames: readonly Buffer[];
}

class ScriptRun {
  readonly set: CheckedSet;
  readonly #working = new Tree();
  #committed = new Tree();
  #rounds: Tree[] = [];
  #syncs = 0;
  #boots = 0;

  constructor(disk: SimulatedDisk) {
    this.set = new CheckedSet(disk);
  }

  async begin(): Promise<void> {
    await this.set.start([]);
  }

  /** A last look with another process, and with the product's own. */
  async end(): Promise<void> {
    await this.#reopen();
    await this.set.verify();
  }

  async step(step: Step): Promise<void> {
    switch (step.do) {
      case 'round':
        this.#rounds.push(this.#working.snapshot());
        return;
      case 'sync':
        await this.#sync(step);
        return;
      case 'prune':
        await this.#prune(step);
        return;
      case 'reopen':
        await this.#reopen();
        return;
      default:
        this.#working.apply(step);
    }
  }

  async #startCold(): Promise<void> {
    await this.set.stop();
    await this.set.start([]);
  }

  async #reopen(): Promise<void> {
    await this.#startCold();
    await this.set.check('after a stop');
  }

  // ——— a sync ———

  async #sync(step: SyncStep): Promise<void> {
    this.set.counts.syncs += 1;
    const { recoveries } = this.set.counts;
    const troubles = [...step.troubles];
    const target = this.#working.snapshot();
    this.#rounds.push(target);
    this.set.pending = { point: this.set.newest + 1, copy: target.fullCopy() };
    // Readers that find nothing open have to look for it while names move (R9).
    if (troubles[0]?.how === 'full') await this.#startCold();
    let outgoing = await this.#plan(step, this.#rounds);
    let told = new Told();
    let next = 0;
    const another = async (how: { copies: boolean }): Promise<void> => {
      outgoing = await this.#plan({ ...step, salt: step.salt + 1 }, [target], how);
      told = new Told();
      next = 0;
    };
    this.set.arm(troubles.shift());
    for (;;) {
      const became = await this.#send(outgoing, { next, told });
      if (became === 'committed') break;
      if (became === 'wants') {
        await another({ copies: false });
        continue;
      }
      await this.#restart(troubles);
      if (this.#isCommitted) break;
      next = this.#nextFrame(outgoing, told);
      if (step.then === 'same') continue;
      while ((await this.set.abandon()) === 'killed') await this.#restart(troubles);
      await another({ copies: true });
    }
    this.set.arm(undefined);
    await this.#accept(target, this.set.counts.recoveries > recoveries);
  }

  async #restart(troubles: Trouble[]): Promise<void> {
    await this.set.die(troubles);
    await this.set.start(troubles);
    const { staged } = this.set.open.writer.position();
    await this.set.check('after recovery', staged === null ? undefined : 'staged');
  }

  get #isCommitted(): boolean {
    return this.set.point === this.set.pending?.point;
  }

  async #accept(target: Tree, recovered: boolean): Promise<void> {
    const { pending, point } = this.set;
    if (pending?.point !== point) throw new Wrong([`the newest point is ${point}`]);
    this.set.copies.set(point, pending.copy);
    this.set.pending = undefined;
    this.#committed = target;
    this.#rounds = [];
    // A process that died after the point leaves what was dropped before to the next one.
    await this.set.check('after the sync', recovered ? undefined : 'idle');
  }

  /** The first frame that is not on the replica's disk for sure. */
  #nextFrame(outgoing: Outgoing, told: Told): number {
    if (told.sealed) throw new Wrong(['a sealed sync did not end in its point (promise 1)']);
    const { staged } = this.set.open.writer.position();
    const durable = staged?.boot === outgoing.boot ? staged.durableSequence : 0;
    if (durable < told.durable)
      throw new Wrong([`frame ${told.durable} was durable, now ${durable} is (R11)`]);
    return durable === 0 ? 0 : durable - outgoing.from + 1;
  }

  async #send(
    outgoing: Outgoing,
    at: { readonly next: number; readonly told: Told },
  ): Promise<'killed' | 'wants' | 'committed'> {
    const { writer } = this.set.open;
    const ended = new Promise<SetEvent>((resolve) => {
      writer.onEvent((event) => {
        if (this.set.disk.steps.killed !== undefined) return;
        at.told.note(event, outgoing);
        if (event.type === 'committed' || event.type === 'refused') resolve(event);
      });
    });
    for (const [index, body] of outgoing.frames.entries()) {
      if (index < at.next) continue;
      const frame = { boot: outgoing.boot, sequence: outgoing.from + index, body };
      if ((await this.set.live(writer.stage(frame))) === 'killed') return 'killed';
      if (at.told.refused) break;
    }
    const event = await this.set.live(ended);
    if (event === 'killed') return 'killed';
    if (event.type === 'refused') {
      // The agent then sends these blocks whole: they built on bytes that were not flushed.
      if (outgoing.copies && event.wants.length > 0) return 'wants';
      throw new Wrong([`refused: ${event.error.message}`]);
    }
    // The clean-up after the point holds the lock.
    const cleaned = await this.set.live(writer.abandon('nothing is under way'));
    return cleaned === 'killed' ? 'killed' : 'committed';
  }

  async #plan(step: SyncStep, rounds: readonly Tree[], how = { copies: true }): Promise<Outgoing> {
    this.#syncs += 1;
    const sync = this.#syncs;
    const { point, chain } = this.set.open.writer.position();
    const records = new SyncRecords(core, this.#committed, step.salt);
    const known = how.copies ? await this.#known(rounds) : new Set<string>();
    const said = rounds.flatMap((tree) => records.round(tree, known));
    this.#boots += 1;
    return {
      sync,
      boot: String(this.#boots).padStart(32, '0'),
      from: 1,
      copies: how.copies,
      frames: toFrames(
        [beginRecord({ sync, point, chain }), ...said, endRecord(sync)],
        step.frameBytes,
      ),
    };
  }

  async #known(rounds: readonly Tree[]): Promise<Set<string>> {
    const digests = rounds.flatMap((tree) => blockDigests(core, tree));
    const answer = await this.set.open.writer.has(Buffer.concat(digests));
    return new Set(
      digests.filter((_, at) => answer[at] === 1).map((digest) => digest.toString('hex')),
    );
  }

  // ——— retention ———

  async #prune(step: PruneStep): Promise<void> {
    const points = [...this.set.copies.keys()].filter(
      (point) => point !== this.set.newest && !step.keep.includes(point % 3),
    );
    const troubles = [...step.troubles];
    this.set.mayBeGone = new Set(points);
    this.set.arm(troubles.shift());
    if ((await this.set.prune(points)) === 'killed') {
      await this.set.die(troubles);
      await this.set.start(troubles);
    }
    this.set.arm(undefined);
    await this.set.check('after points went');
    this.set.forgetGone();
  }
}

/** What the replica said of a sync; it has to stand by it. */
class Told {
  durable = 0;
  sealed = false;
  refused = false;

  note(event: SetEvent, { boot, sync }: Outgoing): void {
    if (event.type === 'durable' && event.boot === boot)
      this.durable = Math.max(this.durable, event.sequence);
    if (event.type === 'sealed' && event.sync === sync) this.sealed = true;
    if (event.type === 'refused') this.refused = true;
  }
}
