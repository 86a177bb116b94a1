/** The agent's metrics. Everything is read when it is asked for; labels are sets, ways and codes. */
import type { MetricFamilies, Sample } from '../../shared/observe/metric-families.js';
import type { SetStatus } from '../schedule/status-file.js';

type OfSet = (set: SetStatus) => number | null;

export function addAgentMetrics(
  families: MetricFamilies,
  sets: () => readonly SetStatus[],
  nowMs: () => number = Date.now,
): void {
  const gauge = (name: string, help: string, value: OfSet): void => {
    families.gauge({
      name: `agent_set_${name}`,
      help,
      labels: ['set'],
      read: () => sets().map((set) => ({ labels: { set: set.name }, value: value(set) })),
    });
  };
  gauge('behind_seconds', 'How long the oldest change has waited that no point has', (set) => {
    return set.behindMs / 1000;
  });
  gauge(
    'continuity_seconds',
    'How long the journal has been without a gap; 0 while one is open',
    (set) => {
      return set.journal.secondsSinceGap;
    },
  );
  gauge('gaps_open', 'Gaps of the journal that are not compared yet', ({ journal }) => {
    return journal.gaps.length;
  });
  gauge('journal_paths', 'Paths that changed and that no point covers', ({ journal }) => {
    return journal.paths;
  });
  gauge('replica_connected', 'Whether the replica answers: 1 or 0', ({ live }) => Number(live));
  gauge('files', 'Files, folders and other nodes that are protected', ({ files }) => files);
  gauge('point', 'Newest point that is known to be committed', ({ point }) => point);
  gauge('sync_age_seconds', 'Time since the last sync ended in a point', ({ lastSyncMs }) => {
    return lastSyncMs === null ? null : Math.max(0, nowMs() - lastSyncMs) / 1000;
  });
  gauge(
    'block_seconds',
    'Longest stretch of the last sync in which the agent answered nobody',
    (set) => {
      return set.agentBlockMsMax === null ? null : set.agentBlockMsMax / 1000;
    },
  );
  gauge('stalled', 'Whether storage keeps syncs from going on: 1 or 0', ({ stalled }) => {
    return Number(stalled !== null);
  });
  gauge('compression_level', 'Level of what is sent now; 0 for none', ({ compression }) => {
    return compression?.level ?? null;
  });
  gauge('range_held_bytes', 'Space that clones for finding changed ranges hold', ({ ranges }) => {
    return ranges?.heldBytesMax ?? null;
  });
  addTraffic(families, sets);
}

/** What is on its way to the replica, and what waits to be. */
function addTraffic(families: MetricFamilies, sets: () => readonly SetStatus[]): void {
  const read = (value: (traffic: NonNullable<SetStatus['traffic']>) => number) => (): Sample[] =>
    sets().map(({ name, traffic }) => ({
      labels: { set: name },
      value: traffic == null ? null : value(traffic),
    }));
  const labels = ['set'];
  families.gauge({
    name: 'agent_set_window_bytes',
    help: 'Bytes that may be under way to the replica at once',
    labels,
    read: read(({ windowBytes }) => windowBytes),
  });
  families.gauge({
    name: 'agent_set_in_flight_bytes',
    help: 'Bytes that are under way to the replica',
    labels,
    read: read(({ inFlightBytes }) => inFlightBytes),
  });
  families.gauge({
    name: 'agent_set_unsent_bytes',
    help: 'Bytes of frames that wait for the window',
    labels,
    read: read(({ unsentBytes }) => unsentBytes),
  });
  families.counter({
    name: 'agent_set_rewinds_total',
    help: 'Times that frames were sent again because the replica missed one',
    labels,
    read: read(({ rewinds }) => rewinds),
  });
}
