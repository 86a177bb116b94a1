/** `versions`: what became of one file or folder over all points, and when it was not there. */
import { type Command, Option } from 'commander';
import {
  type VersionsAnswer,
  VERSIONS_MAX,
  versionsSchema,
  type VersionStretch,
} from '../../shared/api/versions.js';
import { ExitCode } from '../../shared/errors.js';
import { toPathText } from '../../shared/path-text.js';
import { setPath } from '../api-client.js';
import { parseCount } from '../arguments.js';
import { formatBytes, formatCount, formatTime } from '../format.js';
import { parseSetPath } from '../set-paths.js';
import { formatTable } from '../table.js';
import { addVerb, type Invoke } from '../verb.js';

const LIMIT_DEFAULT = 1000;

interface Options {
  readonly limit: number;
  readonly follow?: boolean;
}

export function addVersions(program: Command, invoke: Invoke): void {
  addVerb(program, 'versions', 'List every version of a file or folder over the points of a set')
    .argument('<set>', 'such as shop')
    .argument('<path>', 'from the root names down')
    .addOption(
      new Option('--limit <count>', 'print only the newest')
        .argParser(parseCount)
        .default(LIMIT_DEFAULT),
    )
    .option('--follow', 'also where it was before it came to this path, and after it left')
    .action((set: string, path: string, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const newest = await context.findPoint(`${set}@latest`);
        const answer = await context.api.json(versionsSchema, {
          path: setPath(set, 'versions'),
          query: {
            path: toPathText(parseSetPath(path, newest)),
            limit: Math.min(VERSIONS_MAX, options.limit),
            follow: options.follow === true ? 'node' : 'path',
          },
        });
        await context.print(answer, () => formatVersions(answer));
        return answer.versions === 0 ? ExitCode.mismatch : ExitCode.ok;
      }),
    );
}

function formatVersions(answer: VersionsAnswer): string {
  const { set, path, stretches, leftOut, versions, disappeared, lastSeen } = answer;
  if (versions === 0) return `no point of ${set} has ${path}\n`;
  const table = formatTable<VersionStretch>(
    [
      { title: 'POINTS', value: pointsOf },
      { title: 'FROM', value: ({ firstMs }) => formatTime(firstMs) },
      { title: 'CHANGE', value: changeOf },
      {
        title: 'SIZE',
        align: 'right',
        value: (each) =>
          each.state === 'present' && each.entry.kind === 'file'
            ? formatBytes(each.entry.size)
            : '-',
      },
      { title: 'MODIFIED', value: modifiedOf },
      { title: 'PATH', value: (each) => each.path },
    ],
    stretches,
  );
  const older = leftOut === 0 ? '' : `${formatCount(leftOut)} older versions are not listed\n`;
  return `${older}${table}${endOf(set, { disappeared, lastSeen })}`;
}

function endOf(
  set: string,
  { disappeared, lastSeen }: Pick<VersionsAnswer, 'disappeared' | 'lastSeen'>,
): string {
  if (disappeared === null || lastSeen === null) return '';
  const since = `${set}@${disappeared.point} of ${formatTime(disappeared.timeMs)}`;
  return `gone since ${since}; the last to have it is ${set}@${lastSeen.point}\n`;
}

function pointsOf({ firstPoint, lastPoint, live }: VersionStretch): string {
  if (live) return `${firstPoint} to now`;
  return firstPoint === lastPoint ? String(firstPoint) : `${firstPoint} to ${lastPoint}`;
}

function changeOf(each: VersionStretch): string {
  if (each.state === 'present') {
    return each.movedFrom === undefined ? each.change : `moved from ${each.movedFrom}`;
  }
  if (each.why === 'not-yet') return 'not there yet';
  return each.movedTo === undefined ? 'removed' : `moved to ${each.movedTo}`;
}

function modifiedOf(each: VersionStretch): string {
  if (each.state === 'absent') return '-';
  return formatTime(Number(BigInt(each.entry.mtimeNs) / 1_000_000n));
}
