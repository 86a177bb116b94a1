/** The figures that `peers` holds the product to; each one's target is of full scale. */
import type { Figure } from '../figure.js';
import { summarise, type Promised } from '../summary.js';
import { type Metric, type PeersRecord, roundsOf } from './record.js';
import { BROKER, DIRECT, PLAIN } from './start-copiers.js';

interface Ratio {
  readonly name: string;
  readonly story: string;
  readonly step: string;
  readonly own: string;
  readonly peer: string;
  readonly metric?: Metric;
  readonly atMost?: number;
}

const rsync = { peer: 'rsync', own: DIRECT };
const restic = { peer: 'restic', own: DIRECT };
const bytes = { metric: 'wireBytes' } as const;

const ratios: readonly Ratio[] = [
  { name: 'first_copy_d1_vs_rsync', story: 'd1', step: 'first_copy', ...rsync, atMost: 1.2 },
  { name: 'first_copy_d2_vs_rsync', story: 'd2', step: 'first_copy', ...rsync, atMost: 1.2 },
  {
    name: 'first_copy_d1_vs_rsync_broker',
    story: 'd1',
    step: 'first_copy',
    peer: 'rsync',
    own: BROKER,
    atMost: 1.7,
  },
  { name: 'first_copy_d1_vs_restic', story: 'd1', step: 'first_copy', ...restic, atMost: 0.5 },
  { name: 'first_copy_d3_vs_rsync', story: 'd3', step: 'first_copy', ...rsync, atMost: 1.5 },
  { name: 'no_change_vs_rsync', story: 'd1', step: 'no_change', ...rsync },
  { name: 'one_percent_d1_vs_rsync', story: 'd1', step: 'one_percent', ...rsync, atMost: 0.5 },
  { name: 'one_percent_d3_vs_rsync', story: 'd3', step: 'one_percent', ...rsync, atMost: 0.5 },
  {
    name: 'one_percent_d1_bytes_vs_restic',
    story: 'd1',
    step: 'one_percent',
    ...restic,
    ...bytes,
    atMost: 1.1,
  },
  { name: 'pages_4gib_ranges_vs_rsync', story: 'd2', step: 'pages_4gib', ...rsync, atMost: 0.2 },
  {
    name: 'pages_4gib_hash_vs_rsync',
    story: 'd2',
    step: 'pages_4gib',
    peer: 'rsync',
    own: PLAIN,
    atMost: 0.7,
  },
  {
    name: 'pages_4gib_bytes_vs_rsync',
    story: 'd2',
    step: 'pages_4gib',
    ...rsync,
    ...bytes,
    atMost: 0.1,
  },
  {
    name: 'insert_bytes_vs_restic',
    story: 'd1',
    step: 'insert_100',
    ...restic,
    ...bytes,
    atMost: 1,
  },
  { name: 'restore_d1_vs_rsync', story: 'd1', step: 'restore_all', ...rsync, atMost: 1 },
  {
    name: 'restore_in_place_vs_rsync',
    story: 'd1',
    step: 'restore_in_place',
    ...rsync,
    atMost: 0.3,
  },
];

const plain = [
  { name: 'no_change_ms', story: 'd1', step: 'no_change', unit: 'ms', metric: 'ms', atMost: 50 },
  { name: 'one_file_ms', story: 'd1', step: 'one_file', unit: 'ms', metric: 'ms', atMost: 100 },
  { name: 'range_4kib_ms', story: 'd1', step: 'range_4kib', unit: 'ms', metric: 'ms', atMost: 20 },
  {
    name: 'find_20_points_ms',
    story: 'd3',
    step: 'find_20_points',
    unit: 'ms',
    metric: 'ms',
    atMost: 10,
  },
  {
    name: 'rename_500_wire_bytes',
    story: 'd1',
    step: 'rename_500',
    unit: 'B',
    metric: 'wireBytes',
    atMost: 100_000,
  },
] as const;

/** Figures of which nothing was measured are left out. */
export function figuresOf(record: PeersRecord): Figure[] {
  const about = new Map(record.copiers.map((copier) => [copier.name, copier.about]));
  const ownOf = (name: string): string => (about.has(name) ? name : BROKER);
  return [
    ...ratios.flatMap((ratio) => {
      // A build without a direct lane has no figures that promise something of it.
      if (!about.has(ratio.own) && ratio.own === DIRECT) return [];
      return ratioFigure(record, ratio, about.get(ratio.peer) ?? ratio.peer);
    }),
    ...plain.flatMap(({ name, unit, metric, atMost, ...cell }) => {
      const rounds = roundsOf(record, { ...cell, copier: ownOf(DIRECT) }, metric);
      return figure({ name, unit, rounds }, { atMost });
    }),
    ...memoryFigures(record),
  ];
}

/** Taken within each round. */
function ratioFigure(record: PeersRecord, ratio: Ratio, against: string): Figure[] {
  const { name, story, step, own, peer, metric = 'ms', atMost } = ratio;
  const theirs = roundsOf(record, { story, step, copier: peer }, metric);
  const ours = roundsOf(record, { story, step, copier: own }, metric);
  const rounds = ours.flatMap((value, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [value / other];
  });
  return figure(
    { name, unit: '×', rounds },
    { against, ...(atMost === undefined ? {} : { atMost }) },
  );
}

/** The most at any step of a round. */
function memoryFigures({ samples, rounds }: PeersRecord): Figure[] {
  const most = (process: string): number[] =>
    Array.from({ length: rounds }, (_, index) =>
      Math.max(
        ...samples
          .filter(({ round }) => round === index + 1)
          .map(({ rssMibOf }) => rssMibOf[process] ?? 0),
      ),
    );
  return [
    ...figure({ name: 'agent_rss_mib', unit: 'MiB', rounds: most('agent') }, { atMost: 200 }),
    ...figure({ name: 'replica_rss_mib', unit: 'MiB', rounds: most('replica') }, { atMost: 300 }),
  ];
}

function figure(
  measured: { readonly name: string; readonly unit: string; readonly rounds: readonly number[] },
  promised: Promised,
): Figure[] {
  return measured.rounds.length === 0 ? [] : [summarise(measured, promised)];
}
