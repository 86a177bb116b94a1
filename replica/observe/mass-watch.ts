/**
 * Watches the syncs of a set for mass changes: while one is received, and once it is whole, before it
 * is applied. The alarm holds the last calm point, so that no policy removes it. Nothing that fails
 * here fails a sync.
 */
import type { AlarmFacts, AlarmJson } from '../../shared/api/alarms.js';
import type { Clock } from '../../shared/clock.js';
import { asAfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { SetStore } from '../history/set-store.js';
import { newestPoint } from '../index/nodes.js';
import { ParentState } from '../stage/parent-state.js';
import type { Staging } from '../stage/staging.js';
import type { AlarmDesk } from './alarm-desk.js';
import type { AlarmStore } from './alarm-store.js';
import { lookAtSync } from './look-at-sync.js';
import { judgeSync, type MassVerdict, settledState, type SyncSigns } from './mass-change.js';

/** The part of a sync under way that is looked at. */
export type Looked = Pick<Staging, 'intent' | 'newFiles' | 'pages'>;

/** What the writer of a set shows its syncs to. Neither call throws. */
export interface SyncLooks {
  /** After a frame, when no other is taken meanwhile. */
  during(sync: Looked): Promise<void>;
  /** All of it was received and stands the checks; the parent point is still the newest. */
  whole(sync: Looked): Promise<void>;
}

export interface MassWatchDeps {
  readonly desk: AlarmDesk;
  readonly store: AlarmStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Keeps a point whatever a policy says; the name of the hold, or undefined when it is gone. */
  readonly hold: (request: { set: string; point: number; reason: string }) => string | undefined;
  /** Forgets a hold; one that was released before is no error. */
  readonly release: (hold: string) => void;
  /** Points of a set, ascending. */
  readonly points: (set: string) => readonly number[];
  /** What is thought of each sync that is whole. */
  readonly onVerdict?: (set: string, verdict: MassVerdict) => void;
}

const DURING_EVERY_MS = 10_000;

export class MassWatch {
  readonly #deps: MassWatchDeps;

  constructor(deps: MassWatchDeps) {
    this.#deps = deps;
    deps.desk.endsByAcknowledging('mass-change', (alarm, action) =>
      this.#acknowledged(alarm, action),
    );
  }

  /** Looks at the syncs of one set. */
  looksOf(set: SetStore): SyncLooks {
    let lookedMs = this.#deps.clock.monotonic();
    return {
      during: async (sync) => {
        const nowMs = this.#deps.clock.monotonic();
        if (nowMs - lookedMs < DURING_EVERY_MS) return;
        await this.#quietly(set, sync, 'part');
        lookedMs = this.#deps.clock.monotonic();
      },
      whole: async (sync) => {
        await this.#quietly(set, sync, 'whole');
        lookedMs = this.#deps.clock.monotonic();
      },
    };
  }

  /** Alarms from before there was anything to hold points with, as from a sync that a crash cut off. */
  holdWhatIsNot(): void {
    const { desk, log } = this.#deps;
    for (const alarm of desk.list({ isOpen: true, kind: 'mass-change', limit: 1000 })) {
      const { set, facts, acknowledged, text } = alarm;
      if (set === null || acknowledged !== null || facts.hold != null) continue;
      try {
        const calmPoint = this.#standing(set, facts.calmPoint ?? 0);
        if (calmPoint === null) continue;
        const hold = this.#deps.hold({ set, point: calmPoint, reason: text }) ?? null;
        desk.raise({ ...alarm, facts: { ...facts, calmPoint, hold } });
      } catch (error) {
        log.error('the calm point of an alarm is not held', error, { set, alarm: alarm.id });
      }
    }
  }

  async #quietly(set: SetStore, sync: Looked, extent: 'part' | 'whole'): Promise<void> {
    try {
      await this.#look(set, sync, extent);
    } catch (error) {
      this.#deps.log.error('a sync was not looked at for mass changes', asAfterimageError(error), {
        set: set.set,
      });
    }
  }

  async #look(store: SetStore, sync: Looked, extent: 'part' | 'whole'): Promise<void> {
    const { set } = store;
    const begun = sync.intent.get<{ sync: number; incarnation: Buffer }>(
      'SELECT sync, incarnation FROM sync',
    );
    const parentPoint = newestPoint(store.writer);
    if (begun === undefined || parentPoint === 0) return;
    const before = this.#deps.store.massState(set);
    const signs = await lookAtSync(
      {
        intent: sync.intent,
        newFiles: sync.newFiles,
        pages: sync.pages,
        index: store.writer,
        parent: new ParentState(store.source),
        parentPoint,
      },
      {
        sync: { incarnation: begun.incarnation.toString('hex'), number: begun.sync },
        isWaiting: before.appeared.length > 0,
        slice: new TimeSlice(),
      },
    );
    if (signs === undefined) return;
    const { state, verdict } = judgeSync(before, signs, this.#deps.clock.now());
    if (extent === 'whole' && isWorthKeeping(before, state))
      this.#deps.store.setMassState(set, state);
    if (extent === 'whole') this.#deps.onVerdict?.(set, verdict);
    if (verdict.score >= 1) this.#alarm(set, { signs, verdict, extent });
  }

  #alarm(
    set: string,
    seen: { signs: SyncSigns; verdict: MassVerdict; extent: 'part' | 'whole' },
  ): void {
    const { desk } = this.#deps;
    const { signs, verdict, extent } = seen;
    const open = desk.open('mass-change', set);
    const score = Math.round(verdict.score * 100) / 100;
    const firstPoint =
      open?.facts.firstPoint ?? (extent === 'whole' ? signs.parentPoint + 1 : null);
    if (open !== undefined) {
      const worst = Math.max(score, open.facts.score ?? 0);
      const facts = { ...open.facts, score: worst, firstPoint };
      desk.raise({ ...open, facts });
      return;
    }
    const calmPoint = this.#standing(set, verdict.calmPoint ?? signs.parentPoint);
    const text = `many files of ${set} became what encryption makes of them`;
    const reason = `${text}: ${verdict.signs.join('; ')}`.slice(0, 1000);
    const hold =
      calmPoint === null ? undefined : this.#deps.hold({ set, point: calmPoint, reason });
    desk.raise({
      set,
      kind: 'mass-change',
      severity: 'critical',
      text,
      facts: {
        calmPoint,
        hold: hold ?? null,
        firstPoint,
        score,
        signs: [...verdict.signs],
        examples: [...signs.examples],
      },
    });
  }

  /** The newest point up to `point` that still stands; else the oldest there is. */
  #standing(set: string, point: number): number | null {
    const points = this.#deps.points(set);
    if (points.length === 0) return point > 0 ? point : null;
    return points.findLast((one) => one <= point) ?? points[0] ?? null;
  }

  #acknowledged(alarm: AlarmJson, action: 'keep' | 'release'): AlarmFacts | undefined {
    const { store, release } = this.#deps;
    const { hold } = alarm.facts;
    if (alarm.set !== null && alarm.untilMs === null) {
      const isUsual = action === 'release';
      store.setMassState(alarm.set, settledState(store.massState(alarm.set), { isUsual }));
    }
    if (action === 'keep' || hold == null) return undefined;
    release(hold);
    return { hold: null };
  }
}

/** A set that nothing is seen of is not written about at every sync. */
function isWorthKeeping(
  before: ReturnType<AlarmStore['massState']>,
  after: ReturnType<AlarmStore['massState']>,
): boolean {
  const isQuiet = ({ evidence, packed, appeared }: typeof before): boolean =>
    evidence === 0 && packed === 0 && appeared.length === 0;
  return !isQuiet(before) || !isQuiet(after);
}
