/** One table a run of `peers`: a line a step and copier, with the time as a ratio to rsync's. */
import { type Column, formatTable } from '../../cli/table.js';
import { medianOf, type Metric, type PeersRecord, stepsOf } from './record.js';

interface Line {
  readonly story: string;
  readonly step: string;
  readonly copier: string;
  readonly of: (metric: Metric) => number | undefined;
  readonly ratio: number | undefined;
  readonly cpuSOf: string;
}

const BASE = 'rsync';

export function formatPeers(record: PeersRecord): string {
  const columns: readonly Column<Line>[] = [
    { title: 'set', value: ({ story }) => story },
    { title: 'step', value: ({ step }) => step },
    { title: 'who', value: ({ copier }) => copier },
    number('s', ({ of }) => scaled(of('ms'), 1e3), 3),
    number(`× ${BASE}`, ({ ratio }) => ratio, 2),
    number('CPU s', ({ of }) => of('cpuS'), 2),
    { title: 'of it', value: ({ cpuSOf }) => cpuSOf },
    number('MiB', ({ of }) => of('rssMib'), 0),
    number('MB sent', ({ of }) => scaled(of('wireBytes'), 1e6), 2),
    number('MB stored', ({ of }) => scaled(of('storedBytes'), 1e6), 2),
  ];
  return formatTable(columns, linesOf(record));
}

function number(
  title: string,
  value: (line: Line) => number | undefined,
  digits: number,
): Column<Line> {
  return { title, align: 'right', value: (line) => value(line)?.toFixed(digits) ?? '' };
}

function scaled(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value / by;
}

function linesOf(record: PeersRecord): readonly Line[] {
  return stepsOf(record).flatMap(({ story, step }) => {
    const base = medianOf(record, { story, step, copier: BASE }, 'ms');
    return record.copiers.flatMap(({ name }) => {
      const cell = { story, step, copier: name };
      const ms = medianOf(record, cell, 'ms');
      if (ms === undefined) return [];
      const ratio = base === undefined ? undefined : ms / base;
      const of = (metric: Metric): number | undefined => medianOf(record, cell, metric);
      return [{ ...cell, of, ratio, cpuSOf: cpuOf(record, cell) }];
    });
  });
}

/** Of the last round. */
function cpuOf(record: PeersRecord, cell: Pick<Line, 'story' | 'step' | 'copier'>): string {
  const { story, step, copier } = cell;
  const used = record.samples.findLast(
    (sample) => sample.story === story && sample.step === step && sample.copier === copier,
  );
  const parts = Object.entries(used?.cpuSOf ?? {}).filter(([, s]) => s > 0);
  return parts.map(([name, s]) => `${name} ${s.toFixed(2)}`).join(' ');
}
