/** `points`: the points of a set, or one of them in full. */
import type { Command } from 'commander';
import {
  type PointDetail,
  type PointJson,
  type PointsAnswer,
  pointsSchema,
} from '../../shared/api/points.js';
import { ExitCode } from '../../shared/errors.js';
import { setPath } from '../api-client.js';
import { parseCount } from '../arguments.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { formatTable } from '../table.js';
import { addVerb, type Invoke } from '../verb.js';

const LIMIT_DEFAULT = 1000;

export function addPoints(program: Command, invoke: Invoke): void {
  addVerb(program, 'points', 'List the points of a set, or show one point in full')
    .argument('<set>', 'SET for a list, SET@POINT for one point')
    .option('--limit <count>', 'list only the newest', parseCount, LIMIT_DEFAULT)
    .action((set: string, options: { readonly limit: number }, command: Command) =>
      invoke(command, async (context) => {
        if (set.includes('@')) {
          const point = await context.findPoint(set);
          await context.print(point, () => formatDetail(point));
          return ExitCode.ok;
        }
        const query = { limit: options.limit };
        const answer = await context.api.json(pointsSchema, {
          path: setPath(set, 'points'),
          query,
        });
        await context.print(answer, () => formatList(answer));
        return ExitCode.ok;
      }),
    );
}

function formatList({ set, points, leftOut }: PointsAnswer): string {
  if (points.length === 0) return `${set} has no points yet\n`;
  const table = formatTable<PointJson>(
    [
      { title: 'POINT', align: 'right', value: ({ point }) => String(point) },
      { title: 'TIME', value: ({ timeMs }) => formatTime(timeMs) },
      { title: 'CONSISTENCY', value: ({ consistency }) => consistency },
      { title: 'OPERATION', value: ({ operation }) => operation },
      {
        title: 'HELD',
        align: 'right',
        value: ({ heldMs }) => (heldMs === 0 ? '-' : formatDuration(heldMs)),
      },
      { title: 'FILES', align: 'right', value: ({ files }) => formatCount(files) },
      { title: 'SIZE', align: 'right', value: ({ bytes }) => formatBytes(bytes) },
      { title: 'CHANGED', align: 'right', value: ({ changedNodes }) => formatCount(changedNodes) },
      { title: 'NEW', align: 'right', value: ({ changedBytes }) => formatBytes(changedBytes) },
      { title: 'NOTE', value: noteOf },
    ],
    points,
  );
  return leftOut === 0 ? table : `${formatCount(leftOut)} older points are not listed\n${table}`;
}

function continuityLines(continuityMs: number | undefined): [string, string][] {
  if (continuityMs === undefined) return [];
  return [['no gap for', continuityMs === 0 ? '- (one was open)' : formatDuration(continuityMs)]];
}

function noteOf({ healed, unreadable }: PointJson): string {
  const notes = [
    ...(healed === null ? [] : [`healed: ${healed}`]),
    ...(unreadable === 0 ? [] : [`${formatCount(unreadable)} unreadable`]),
  ];
  return notes.join(', ');
}

function formatDetail(point: PointDetail): string {
  const { outcome } = point;
  const lines: [string, string][] = [
    ['point', `${point.set}@${point.point} of ${formatTime(point.timeMs)}`],
    ['consistency', `${point.consistency} (recipe ${point.recipe}, engine ${outcome.engine})`],
    ['held', outcome.heldMs === 0 ? 'not held' : formatDuration(outcome.heldMs)],
    ['sync', `${point.sync}, ${point.operation}, ${outcome.rounds} rounds`],
    ...(point.healed === null ? [] : [['healed', point.healed] as [string, string]]),
    ...continuityLines(outcome.continuityMs),
    ['host', outcome.source.host],
    ...Object.entries(outcome.source.roots).map(([name, path]): [string, string] => [
      `root ${name}`,
      path,
    ]),
    ['holds', `${formatCount(point.files)} files, ${formatBytes(point.bytes)}`],
    ['changed', `${formatCount(point.changedNodes)} nodes, ${formatBytes(point.changedBytes)} new`],
    ...outcome.applications.map(({ kind, version, logPosition }): [string, string] => [
      'application',
      [kind, version, logPosition].filter((part) => part !== undefined).join(', '),
    ]),
    ...outcome.movedWhileHeld.map((path): [string, string] => ['moved while held', path]),
    ...outcome.unreadable.map((path): [string, string] => ['unreadable', path]),
    ...outcome.notCarried.map((word): [string, string] => ['not carried', word]),
    ['chain', point.chain],
  ];
  const width = Math.max(...lines.map(([title]) => title.length));
  return lines.map(([title, value]) => `${title.padEnd(width)}  ${value}\n`).join('');
}
