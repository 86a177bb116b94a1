/** The replica's metrics. Everything is read when it is asked for; labels are sets, kinds and codes. */
import { alarmKinds } from '../../shared/api/alarms.js';
import { setStates } from '../../shared/api/status.js';
import { MetricFamilies, type Sample } from '../../shared/observe/metric-families.js';
import type { ReceiveCounters } from '../receive/counters.js';
import type { ServedSet } from '../serve/served-set.js';
import type { AlarmStore } from './alarm-store.js';
import type { NewestPoint } from './point-ages.js';
import type { SetWatch } from './set-watch.js';
import type { WebhookCounts } from './webhooks.js';

export interface ReplicaFacts {
  readonly nowMs: () => number;
  readonly sets: () => readonly ServedSet[];
  readonly watch: SetWatch;
  readonly store: AlarmStore;
  /** Newest points by consistency, of a set. */
  readonly newestOf: (set: string) => ReadonlyMap<string, NewestPoint>;
  readonly pointsOf: (set: string) => number;
  /** Holds of a set, and when its retention ran last. */
  readonly retentionOf: (
    set: string,
  ) => { readonly holds: number; readonly lastRunMs: number | null } | undefined;
  readonly massScoreOf: (set: string) => number;
  readonly received: () => Readonly<ReceiveCounters> | undefined;
  /** Jobs by state; none where nobody counts them. */
  readonly jobs: () => Readonly<Record<string, number>>;
  readonly webhooks: () => WebhookCounts;
  readonly brokerConnected: () => boolean;
}

type ForSet = (set: ServedSet) => number | null;

export function addReplicaMetrics(families: MetricFamilies, facts: ReplicaFacts): void {
  const { sets, nowMs, watch } = facts;
  const gauge = (name: string, help: string, value: ForSet): void => {
    families.gauge({
      name,
      help,
      labels: ['set'],
      read: () => sets().map((set) => ({ labels: { set: set.reader.set }, value: value(set) })),
    });
  };
  const seconds = (ms: number | null | undefined): number | null => (ms == null ? null : ms / 1000);
  gauge('set_lag_seconds', 'How long the oldest change has waited that no point has', (set) =>
    seconds(watch.lagMs(set)),
  );
  gauge('set_lag_target_seconds', 'Lag above which the set is an alarm', ({ reader }) =>
    Number.isFinite(watch.targetMs(reader.set)) ? watch.targetMs(reader.set) / 1000 : null,
  );
  gauge(
    'set_continuity_seconds',
    'How long the journal of the agent has been without a gap',
    (set) => seconds(set.activity().continuityMs),
  );
  gauge('set_gap_open', 'Whether a gap of the journal is open: 1 or 0', (set) => {
    const { continuityMs } = set.activity();
    return continuityMs === null ? null : Number(continuityMs === 0);
  });
  gauge('set_agent_connected', 'Whether an agent serves the set: 1 or 0', (set) =>
    Number(set.activity().agentConnected),
  );
  gauge('set_points', 'Points that can be restored', ({ reader }) => facts.pointsOf(reader.set));
  gauge(
    'set_mass_change_score',
    'How much of what encryption does was seen; an alarm from 1',
    (set) => facts.massScoreOf(set.reader.set),
  );
  gauge(
    'set_holds',
    'Holds that keep points whatever a policy says',
    ({ reader }) => facts.retentionOf(reader.set)?.holds ?? null,
  );
  gauge('set_retention_age_seconds', 'Time since retention ran last', ({ reader }) => {
    const lastRunMs = facts.retentionOf(reader.set)?.lastRunMs;
    return lastRunMs == null ? null : (nowMs() - lastRunMs) / 1000;
  });
  gauge('set_scrub_age_seconds', 'Time since scrubbing last read everything', ({ scrub }) => {
    const lastEndedMs = scrub?.summary().lastEndedMs;
    return lastEndedMs == null ? null : (nowMs() - lastEndedMs) / 1000;
  });
  gauge(
    'set_damaged_blocks',
    'Stored versions of blocks that are damaged',
    ({ scrub }) => scrub?.summary().damaged ?? null,
  );
  addAges(families, facts);
  addStates(families, facts);
  addWhole(families, facts);
}

function addAges(families: MetricFamilies, { sets, nowMs, newestOf, store }: ReplicaFacts): void {
  families.gauge({
    name: 'set_point_age_seconds',
    help: 'Age of the newest point that is committed, of a consistency, or was verified',
    labels: ['set', 'state'],
    read: function* () {
      for (const { reader } of sets()) {
        const { set } = reader;
        const age = (state: string, timeMs: number | undefined): Sample => ({
          labels: { set, state },
          value: timeMs === undefined ? null : Math.max(0, nowMs() - timeMs) / 1000,
        });
        const newest = newestOf(set);
        yield age('committed', reader.newest()?.timeMs);
        yield age('application', newest.get('application')?.timeMs);
        yield age('filesystem', newest.get('filesystem')?.timeMs);
        const verified = store.checks(set).find(({ findings }) => findings === 0);
        yield age('verified', verified?.timeMs);
      }
    },
  });
}

function addStates(families: MetricFamilies, { sets }: ReplicaFacts): void {
  families.gauge({
    name: 'set_state',
    help: 'What the set is doing: 1 for its state, 0 for the others',
    labels: ['set', 'state'],
    read: function* () {
      for (const served of sets()) {
        const { state } = served.activity();
        for (const each of setStates) {
          yield { labels: { set: served.reader.set, state: each }, value: Number(each === state) };
        }
      }
    },
  });
  families.gauge({
    name: 'set_space_bytes',
    help: 'Bytes that a set takes on the replica, by what they are for',
    labels: ['set', 'kind'],
    read: function* () {
      for (const { reader } of sets()) {
        const { baseBytes, atticBytes, packBytes, indexBytes } = reader.space();
        const { set } = reader;
        yield { labels: { set, kind: 'base' }, value: baseBytes };
        yield { labels: { set, kind: 'attic' }, value: atticBytes };
        yield { labels: { set, kind: 'packs' }, value: packBytes };
        yield { labels: { set, kind: 'index' }, value: indexBytes };
      }
    },
  });
}

function addWhole(families: MetricFamilies, facts: ReplicaFacts): void {
  const { watch, store } = facts;
  families.gauge({
    name: 'alarms',
    help: 'Open alarms by kind',
    labels: ['kind', 'acknowledged'],
    read: function* () {
      const open = store.list({ isOpen: true, limit: 10_000 });
      for (const kind of alarmKinds) {
        for (const acknowledged of [true, false]) {
          const value = open.filter(
            (alarm) => alarm.kind === kind && (alarm.acknowledged !== null) === acknowledged,
          ).length;
          yield { labels: { kind, acknowledged: String(acknowledged) }, value };
        }
      }
    },
  });
  families.gauge({
    name: 'disk_free_bytes',
    help: 'Room left on the file system of the data folder',
    read: () => [{ value: watch.freeBytes().free }],
  });
  families.gauge({
    name: 'disk_size_bytes',
    help: 'Size of the file system of the data folder',
    read: () => [{ value: watch.freeBytes().total }],
  });
  families.gauge({
    name: 'broker_connected',
    help: 'Whether the replica is connected to its broker: 1 or 0',
    read: () => [{ value: Number(facts.brokerConnected()) }],
  });
  families.gauge({
    name: 'jobs',
    help: 'Jobs by state',
    labels: ['state'],
    read: () =>
      Object.entries(facts.jobs()).map(([state, value]) => ({ labels: { state }, value })),
  });
  families.counter({
    name: 'received_total',
    help: 'What came over the wire, and what was refused of it',
    labels: ['what'],
    read: () =>
      Object.entries(facts.received() ?? {})
        .filter(([what]) => what !== 'frameBytes')
        .map(([what, value]) => ({ labels: { what: snake(what) }, value })),
  });
  families.counter({
    name: 'received_bytes_total',
    help: 'Bytes of frames as they travelled',
    read: () => [{ value: facts.received()?.frameBytes ?? null }],
  });
  families.counter({
    name: 'webhook_deliveries_total',
    help: 'Alarms told to webhooks: delivered, tries that failed, given up',
    labels: ['result'],
    read: () =>
      Object.entries(facts.webhooks()).map(([result, value]) => ({
        labels: { result },
        value: Number(value),
      })),
  });
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
