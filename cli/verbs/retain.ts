/** `retain`: shows or sets how long the points of a set are kept. */
import type { Command } from 'commander';
import {
  type Policy,
  policySchema,
  type RetentionAnswer,
  retentionSchema,
} from '../../shared/api/retention.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { setPath } from '../api-client.js';
import { parseCount, parseDuration } from '../arguments.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { addVerb, type Invoke } from '../verb.js';

interface Options {
  readonly keepLast?: number;
  readonly interval?: number;
  readonly within?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  readonly minAge?: number;
  readonly all?: boolean;
  readonly show?: boolean;
}

export function addRetain(program: Command, invoke: Invoke): void {
  addVerb(program, 'retain', 'Show or set which points of a set are kept; rules add up')
    .argument('<set>', 'name of the set')
    .option('--keep-last <count>', 'one point of each of the newest intervals', parseCount)
    .option('--interval <time>', 'length of the intervals of --keep-last; 15m', parseDuration)
    .option('--within <time>', 'every point not older than this before the newest', parseDuration)
    .option('--hourly <count>', 'one point of each of the newest hours', parseCount)
    .option('--daily <count>', 'one of each of the newest days (UTC)', parseCount)
    .option('--weekly <count>', 'one of each of the newest weeks', parseCount)
    .option('--monthly <count>', 'one of each of the newest months', parseCount)
    .option('--yearly <count>', 'one of each of the newest years', parseCount)
    .option('--min-age <time>', 'remove no point younger than this', parseDuration)
    .option('--all', 'keep every point from now on')
    .option('--show', 'only show what is set, as without any rule')
    .action((set: string, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const policy = policyOf(options);
        const body = policy === undefined ? {} : { body: { policy } };
        const path = setPath(set, 'retention');
        const answer = await context.api.json(retentionSchema, { path, ...body });
        await context.print(answer, () => formatRetention(answer));
        return ExitCode.ok;
      }),
    );
}

/** Undefined to show what is set, null to keep all. */
function policyOf(options: Options): Policy | null | undefined {
  const { show, all, interval, within, minAge, ...counts } = options;
  const rules = {
    ...counts,
    ...(interval === undefined ? {} : { intervalMs: interval }),
    ...(within === undefined ? {} : { withinMs: within }),
    ...(minAge === undefined ? {} : { minAgeMs: minAge }),
  };
  const given = Object.keys(rules).filter((rule) => rule !== 'json');
  const ways = Number(given.length > 0) + Number(show === true) + Number(all === true);
  if (ways > 1) throw new AfterimageError('argument-invalid', 'give rules, --all or --show');
  if (all === true) return null;
  if (given.length === 0) return undefined;
  const known = Object.fromEntries(Object.entries(rules).filter(([rule]) => given.includes(rule)));
  const result = policySchema.safeParse(known);
  if (result.success) return result.data;
  const why = result.error.issues[0]?.message ?? 'not understood';
  throw new AfterimageError('argument-invalid', why, { cause: result.error });
}

function formatRetention(answer: RetentionAnswer): string {
  const { set, policy, nextRunMs, lastRun, holds } = answer;
  if (policy === null) return `${set}: every point is kept\n${formatHolds(answer)}`;
  const lines: [string, string][] = [];
  const add = (title: string, value: string): void => void lines.push([title, value]);
  if (policy.keepLast !== undefined) {
    add('keep-last', `${formatCount(policy.keepLast)} of ${formatDuration(policy.intervalMs)}`);
  }
  if (policy.withinMs !== undefined) add('within', formatDuration(policy.withinMs));
  for (const rule of ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
    const count = policy[rule];
    if (count !== undefined) add(rule, formatCount(count));
  }
  if (policy.minAgeMs > 0) add('min-age', formatDuration(policy.minAgeMs));
  if (nextRunMs !== null) add('next run', formatTime(nextRunMs));
  if (lastRun !== null) {
    const freed = formatBytes(Math.max(0, lastRun.fileBytes + lastRun.packBytes));
    const removed = `${formatCount(lastRun.removed)} points removed, ${freed} freed`;
    add('last run', `${formatTime(lastRun.timeMs)}: ${removed}`);
  }
  if (holds.length > 0) add('holds', formatCount(holds.length));
  const width = Math.max(...lines.map(([title]) => title.length));
  const text = lines.map(([title, value]) => `${title.padEnd(width)}  ${value}\n`).join('');
  return `${set}\n${text}${formatHolds(answer)}`;
}

function formatHolds({ holds }: RetentionAnswer): string {
  return holds
    .map(({ hold, set, point, reason, timeMs }) => {
      return `${hold}  ${set}@${point}  since ${formatTime(timeMs)}: ${reason}\n`;
    })
    .join('');
}
