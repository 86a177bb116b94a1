/**
 * Where alarms are raised, settled and acknowledged. There is one open alarm of a kind for a set at
 * most: raising it again brings it up to date. Listeners hear what changed, once each.
 */
import type {
  AcknowledgeRequest,
  AlarmFacts,
  AlarmJson,
  AlarmKind,
  AlarmSeverity,
} from '../../shared/api/alarms.js';
import type { Clock } from '../../shared/clock.js';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { type AlarmFilter, type AlarmStore, numberOf } from './alarm-store.js';

export interface Raised {
  readonly set: string | null;
  readonly kind: AlarmKind;
  readonly severity: AlarmSeverity;
  readonly text: string;
  readonly facts?: AlarmFacts;
}

/** `changed`: it is worse or says something else; what only moves in its facts is not told. */
export type AlarmEvent = 'raised' | 'changed' | 'acknowledged' | 'settled';
export type AlarmListener = (alarm: AlarmJson, event: AlarmEvent) => void;

export interface AlarmDeskDeps {
  readonly store: AlarmStore;
  readonly clock: Clock;
  readonly log: Log;
}

/** What becomes of an alarm of some kind when it is acknowledged; returns facts that changed. */
export type OnAcknowledge = (
  alarm: AlarmJson,
  action: AcknowledgeRequest['action'],
) => AlarmFacts | undefined;

export class AlarmDesk {
  readonly #deps: AlarmDeskDeps;
  readonly #listeners = new Set<AlarmListener>();
  readonly #acknowledging = new Map<AlarmKind, OnAcknowledge>();

  constructor(deps: AlarmDeskDeps) {
    this.#deps = deps;
  }

  onEvent(listener: AlarmListener): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => this.#listeners.delete(listener) };
  }

  /** Kinds that end by being acknowledged say here what else that means. */
  endsByAcknowledging(kind: AlarmKind, work: OnAcknowledge): void {
    this.#acknowledging.set(kind, work);
  }

  /** Opens an alarm, or brings the open one of this kind and set up to date. */
  raise(raised: Raised): AlarmJson {
    const { store, clock, log } = this.#deps;
    const open = store.open(raised.kind, raised.set);
    if (open === undefined) {
      const alarm = store.add({ ...raised, facts: raised.facts ?? {}, sinceMs: clock.now() });
      const { id, set, kind, severity, text } = alarm;
      log.warn('an alarm was raised', { alarm: id, set, kind, severity, text });
      this.#tell(alarm, 'raised');
      return alarm;
    }
    const { severity, text } = raised;
    const alarm = { ...open, severity, text, facts: { ...open.facts, ...raised.facts } };
    if (JSON.stringify(alarm) === JSON.stringify(open)) return open;
    store.update(alarm);
    if (severity !== open.severity || text !== open.text) this.#tell(alarm, 'changed');
    return alarm;
  }

  /** The cause is gone. */
  settle(kind: AlarmKind, set: string | null): void {
    const open = this.#deps.store.open(kind, set);
    if (open !== undefined) this.#end(open);
  }

  open(kind: AlarmKind, set: string | null): AlarmJson | undefined {
    return this.#deps.store.open(kind, set);
  }

  list(filter: AlarmFilter): AlarmJson[] {
    return this.#deps.store.list(filter);
  }

  /** Open alarms that nobody acknowledged, by set (null: of the replica). */
  waiting(): ReadonlyMap<string | null, number> {
    const counts = new Map<string | null, number>();
    for (const { set, acknowledged } of this.#deps.store.list({ isOpen: true, limit: 10_000 })) {
      if (acknowledged === null) counts.set(set, (counts.get(set) ?? 0) + 1);
    }
    return counts;
  }

  /** Throws `not-found`. */
  get(id: string): AlarmJson {
    const alarm = numberOf(id) === 0 ? undefined : this.#deps.store.get(id);
    if (alarm !== undefined) return alarm;
    throw new AfterimageError('not-found', `there is no alarm ${JSON.stringify(id)}`);
  }

  /** Somebody has seen it. Throws `not-found`. One that was acknowledged before keeps who did first. */
  acknowledge(id: string, request: AcknowledgeRequest & { readonly by: string }): AlarmJson {
    const { store, clock } = this.#deps;
    const before = this.get(id);
    const work = this.#acknowledging.get(before.kind);
    const facts = work?.(before, request.action);
    const { by, action, note } = request;
    const alarm: AlarmJson = {
      ...before,
      facts: { ...before.facts, ...facts },
      acknowledged: before.acknowledged ?? { by, timeMs: clock.now(), action, note: note ?? null },
    };
    store.update(alarm);
    this.#tell(alarm, 'acknowledged');
    return work === undefined || alarm.untilMs !== null ? alarm : this.#end(alarm);
  }

  #end(open: AlarmJson): AlarmJson {
    const { store, clock, log } = this.#deps;
    const alarm = { ...open, untilMs: clock.now() };
    store.update(alarm);
    log.info('an alarm is over', { alarm: alarm.id, set: alarm.set, kind: alarm.kind });
    this.#tell(alarm, 'settled');
    return alarm;
  }

  #tell(alarm: AlarmJson, event: AlarmEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(alarm, event);
      } catch (error) {
        this.#deps.log.error('a listener of alarms failed', error, { alarm: alarm.id });
      }
    }
  }
}
