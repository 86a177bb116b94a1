/**
 * Everything that watches the replica and tells of it: alarms and whom they are told to, mass
 * changes, metrics, and whether it is ready. Nothing here fails or delays what it watches.
 */
import type { LastVerified } from '../../shared/api/alarms.js';
import { openJobStates } from '../../shared/api/jobs.js';
import type { SetStatusJson } from '../../shared/api/status.js';
import type { Clock } from '../../shared/clock.js';
import type { AlertsConfig } from '../../shared/config/alerts-config.js';
import type { Log } from '../../shared/log.js';
import { asAfterimageError, messageOf } from '../../shared/errors.js';
import type { ErrorCounts } from '../../shared/observe/error-counts.js';
import { MetricFamilies } from '../../shared/observe/metric-families.js';
import { addProcessMetrics } from '../../shared/observe/process-metrics.js';
import type { CheckedBy } from '../certify/certifier.js';
import type { NewCheck } from '../certify/new-check.js';
import type { SetStore } from '../history/set-store.js';
import type { EventHub } from '../jobs/event-hub.js';
import type { JobDesk } from '../jobs/job-desk.js';
import type { Receiver } from '../receive/receiver.js';
import type { Retention } from '../retain/retention.js';
import type { ServedSet } from '../serve/served-set.js';
import type { OpenedSet } from '../set-house.js';
import { AlarmDesk } from './alarm-desk.js';
import { AlarmStore } from './alarm-store.js';
import { MassWatch, type SyncLooks } from './mass-watch.js';
import { PointAges } from './point-ages.js';
import { readinessOf, type Readiness } from './readiness.js';
import { addReplicaMetrics } from './replica-metrics.js';
import { SetWatch } from './set-watch.js';
import { SyncTallies } from './sync-tallies.js';
import { Webhook, type WebhookCounts } from './webhooks.js';

export interface ObserveDeps {
  /** catalog.db, or `:memory:` */
  readonly file: string;
  readonly dataFolder: string;
  readonly alerts: AlertsConfig;
  readonly freeBytesMin: number;
  readonly errors: ErrorCounts;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly hashCore: string;
}

/** What there is to watch, once it is there. */
export interface Watched {
  readonly sets: () => readonly ServedSet[];
  readonly opened: () => readonly OpenedSet[];
  /** Sets on disk that do not open, by name. */
  readonly unopened: () => readonly string[];
  readonly retention: Retention;
  readonly receiver: Pick<Receiver, 'counters'>;
  readonly brokerConnected: () => boolean;
  readonly jobs?: Pick<JobDesk, 'list'>;
  readonly events?: Pick<EventHub, 'publish'>;
}

const LOOK_MS = 2_000;
const JOBS_COUNTED_MAX = 1_000;

export class Observe {
  readonly desk: AlarmDesk;
  readonly #deps: ObserveDeps;
  readonly #store: AlarmStore;
  readonly #mass: MassWatch;
  readonly #massScore = new Map<string, number>();
  readonly #watch: SetWatch;
  readonly #webhooks: readonly Webhook[];
  readonly #families = new MetricFamilies();
  readonly #tallies: SyncTallies;
  readonly #ages = new PointAges();
  readonly #stop: (() => void)[] = [];
  #watched: Watched | undefined;

  constructor(deps: ObserveDeps) {
    this.#deps = deps;
    const { clock, log } = deps;
    const store = new AlarmStore(deps.file);
    this.#store = store;
    this.desk = new AlarmDesk({ store, clock, log });
    this.#mass = new MassWatch({
      desk: this.desk,
      store,
      clock,
      log,
      hold: (request) => this.#hold(request),
      release: (hold) => {
        this.#release(hold);
      },
      points: (set) => this.#points(set),
      onVerdict: (set, { score }) => this.#massScore.set(set, score),
    });
    this.#watch = new SetWatch({
      desk: this.desk,
      alerts: deps.alerts,
      clock,
      log,
      sets: () => this.#watched?.sets() ?? [],
      dataFolder: deps.dataFolder,
      findingsOf: (set) => store.checks(set).find(({ by }) => by === 'verify')?.findings ?? 0,
      freeBytesMin: deps.freeBytesMin,
    });
    this.#webhooks = deps.alerts.webhooks.map((hook) => new Webhook(hook, deps));
    this.desk.onEvent((alarm, event) => {
      for (const webhook of this.#webhooks) webhook.tell(alarm, event);
    });
    const startedMs = clock.now();
    this.#stop.push(addProcessMetrics(this.#families, { ...deps, startedMs }));
    this.#tallies = new SyncTallies(this.#families);
    this.#addMetrics();
  }

  /** For the house: looks at the syncs of a set before they are applied. */
  readonly looksOf = (set: SetStore): SyncLooks => this.#mass.looksOf(set);

  /** For the certifier: a look at points was finished. */
  readonly checked = (set: string, check: NewCheck, by: CheckedBy): void => {
    const { timeMs, findings } = check;
    const point = check.points.reduce((newest, each) => Math.max(newest, each), 0);
    this.#store.noteCheck(set, { by, point, timeMs, findings });
  };

  /** For the house: counts what becomes of the syncs of a set. */
  readonly follow = (opened: OpenedSet): void => {
    opened.writer.onEvent((event) => {
      if (event.type === 'refused') this.#tallies.refused(opened.name);
      if (event.type !== 'committed') return;
      const newest = opened.reader.newest();
      if (newest !== undefined) this.#tallies.committed(opened.name, newest);
    });
  };

  /** Begins to look at sets; `close` ends it. */
  start(watched: Watched): void {
    this.#watched = watched;
    const { events } = watched;
    this.#mass.holdWhatIsNot();
    this.desk.onEvent((alarm) => {
      events?.publish({ name: 'alarm', set: alarm.set, data: alarm, key: alarm.id });
    });
    const timer = setInterval(() => {
      this.look();
    }, LOOK_MS).unref();
    this.#stop.push(() => {
      clearInterval(timer);
    });
  }

  /** Raises and settles alarms by how things are now; done by itself every two seconds. */
  look(): void {
    this.#watch.look();
  }

  /** What `/v1/status` says of a set beside the rest. */
  statusOf(set: ServedSet, waiting = this.desk.waiting()): Partial<SetStatusJson> {
    const { set: name } = set.reader;
    const targetMs = this.#watch.targetMs(name);
    return {
      ...(Number.isFinite(targetMs) ? { lagTargetMs: targetMs } : {}),
      alarms: waiting.get(name) ?? 0,
      lastVerified: this.#lastVerified(name),
    };
  }

  readiness(): Readiness {
    return readinessOf({
      started: this.#watched !== undefined,
      unopened: this.#watched?.unopened() ?? [],
      stalled: (this.#watched?.sets() ?? [])
        .filter((set) => set.activity().state === 'stalled')
        .map(({ reader }) => reader.set),
      brokerConnected: this.#watched?.brokerConnected() ?? false,
      ...this.#room(),
      freeBytesMin: this.#deps.freeBytesMin,
    });
  }

  get metricsType(): string {
    return this.#families.contentType;
  }

  metrics(): Promise<string> {
    return this.#families.text();
  }

  metricNames(): string[] {
    return this.#families.names();
  }

  async close(): Promise<void> {
    for (const stop of this.#stop) stop();
    this.#watched = undefined;
    await Promise.all(this.#webhooks.map((webhook) => webhook.close()));
    this.#store.close();
  }

  #room(): { readonly freeBytes: number | undefined; readonly roomError: string | undefined } {
    try {
      return { freeBytes: this.#watch.freeBytes().free, roomError: undefined };
    } catch (error) {
      return { freeBytes: undefined, roomError: messageOf(error) };
    }
  }

  #hold(request: { set: string; point: number; reason: string }): string | undefined {
    return this.#watched?.retention.hold(request).hold;
  }

  #release(hold: string): void {
    try {
      this.#watched?.retention.release({ hold });
    } catch (error) {
      // Somebody released it before.
      if (asAfterimageError(error).code !== 'not-found') throw error;
    }
  }

  #points(set: string): number[] {
    const opened = this.#watched?.opened().find(({ name }) => name === set);
    const rows = opened?.store.index.all<{ point: number }>(
      'SELECT point FROM point ORDER BY point',
    );
    return rows?.map(({ point }) => point) ?? [];
  }

  #lastVerified(set: string): LastVerified | null {
    const found = this.#store.checks(set).find(({ findings }) => findings === 0);
    return found === undefined ? null : { point: found.point, timeMs: found.timeMs, by: found.by };
  }

  #addMetrics(): void {
    const find = (set: string): OpenedSet | undefined =>
      this.#watched?.opened().find(({ name }) => name === set);
    addReplicaMetrics(this.#families, {
      nowMs: () => this.#deps.clock.now(),
      sets: () => this.#watched?.sets() ?? [],
      watch: this.#watch,
      store: this.#store,
      newestOf: (set) => {
        const opened = find(set);
        return opened === undefined ? new Map() : this.#ages.newest(set, opened.store.index);
      },
      pointsOf: (set) =>
        find(set)?.store.index.get<{ points: number }>('SELECT count(*) AS points FROM point')
          ?.points ?? 0,
      retentionOf: (set) => {
        const settings = this.#watched?.retention.settings(set);
        if (settings === undefined) return undefined;
        const { holds, lastRun } = settings;
        return { holds: holds.length, lastRunMs: lastRun?.timeMs ?? null };
      },
      massScoreOf: (set) => this.#massScore.get(set) ?? 0,
      received: () => this.#watched?.receiver.counters,
      jobs: () => this.#jobs(),
      webhooks: () => this.#webhookCounts(),
      brokerConnected: () => this.#watched?.brokerConnected() ?? false,
    });
  }

  #jobs(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const state of openJobStates) counts[state] = 0;
    const listed = this.#watched?.jobs?.list({
      state: [...openJobStates],
      sets: null,
      limit: JOBS_COUNTED_MAX,
    });
    for (const { state } of listed?.jobs ?? []) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  #webhookCounts(): WebhookCounts {
    const sum = { delivered: 0, failed: 0, dropped: 0 };
    for (const { counts } of this.#webhooks) {
      sum.delivered += counts.delivered;
      sum.failed += counts.failed;
      sum.dropped += counts.dropped;
    }
    return sum;
  }
}
