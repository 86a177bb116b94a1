/** `scrub`: reads all that is stored of a set against its digests, and repairs what it can. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import {
  type ScrubDamage,
  type ScrubFinding,
  type ScrubStatus,
  scrubStatusSchema,
} from '../../shared/api/scrub.js';
import { statusSchema } from '../../shared/api/status.js';
import { byteCount } from '../../shared/config/quantity.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { setPath } from '../api-client.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { Progress } from '../progress.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

const LOOK_MS = 300;
/** Lines of damage printed a set; JSON has all that the replica tells. */
const SHOWN_MAX = 50;

interface Options {
  readonly all?: boolean;
  readonly now?: boolean;
  readonly rate?: number;
  readonly status?: boolean;
  readonly pause?: boolean;
  readonly resume?: boolean;
}

export function addScrub(program: Command, invoke: Invoke): void {
  addVerb(
    program,
    'scrub',
    'Read all that is stored and repair it; exits with 5 when damage is left',
  )
    .argument('[set]', 'name of the set')
    .option('--all', 'every set')
    .option('--now', 'begin a round, or go on with it, and do not wait for its end')
    .option('--rate <bytes>', 'read at most so much a second, such as 64MiB; all sets', parseRate)
    .option('--status', 'only say how it stands')
    .option('--pause', 'stop the round under way, and begin none')
    .option('--resume', 'go on as scheduled')
    .action((set: string | undefined, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const action = actionOf(options);
        const sets = await setsOf(context, set, options);
        const starting = action === 'follow' ? 'begin' : action;
        const first = new Map<string, ScrubStatus>();
        for (const name of sets) {
          first.set(name, await ask(context, { set: name, action: starting, options }));
        }
        let damaged = false;
        for (const [name, status] of first) {
          const last = action === 'follow' ? await follow(context, name, status) : status;
          await context.print({ type: 'scrub', ...last }, () => formatStatus(last));
          damaged ||= last.damaged > 0 || last.findings > 0;
        }
        return damaged && (action === 'follow' || action === 'status')
          ? ExitCode.damaged
          : ExitCode.ok;
      }),
    );
}

type Action = 'follow' | 'begin' | 'pause' | 'resume' | 'status';

function actionOf({ now, status, pause, resume }: Options): Action {
  const asked = [
    now === true ? (['begin'] as const) : [],
    status === true ? (['status'] as const) : [],
    pause === true ? (['pause'] as const) : [],
    resume === true ? (['resume'] as const) : [],
  ].flat();
  if (asked.length > 1) {
    throw new AfterimageError(
      'argument-invalid',
      'give one of --now, --status, --pause and --resume',
    );
  }
  return asked[0] ?? 'follow';
}

async function setsOf(
  context: VerbContext,
  set: string | undefined,
  { all }: Options,
): Promise<string[]> {
  if ((set === undefined) === (all !== true)) {
    throw new AfterimageError('argument-invalid', 'name a set, or give --all');
  }
  if (set !== undefined) return [set];
  const { sets } = await context.api.json(statusSchema, { path: '/v1/status' });
  return sets.map((row) => row.set);
}

async function ask(
  context: VerbContext,
  asked: {
    readonly set: string;
    readonly action: Exclude<Action, 'follow'>;
    readonly options: Options;
  },
): Promise<ScrubStatus> {
  const path = setPath(asked.set, 'scrub');
  if (asked.action === 'status') return context.api.json(scrubStatusSchema, { path });
  const { rate } = asked.options;
  const body = {
    action: asked.action,
    ...(rate === undefined ? {} : { bytesPerSecond: rate }),
  };
  return context.api.json(scrubStatusSchema, { path, body });
}

/** Until the round that was asked for has ended; the replica goes on with it when this is given up. */
async function follow(context: VerbContext, set: string, first: ScrubStatus): Promise<ScrubStatus> {
  const before = first.last?.number ?? 0;
  const progress = context.json
    ? undefined
    : new Progress(context.io, `scrubbing ${set}`, {
        bytes: first.round?.bytesTotal ?? 0,
      });
  try {
    for (let status = first; ;) {
      if ((status.last?.number ?? 0) > before) return status;
      if (status.state === 'paused') {
        throw new AfterimageError('cancelled', `scrubbing ${set} was paused`);
      }
      if (status.round !== null) progress?.update({ entries: 0, bytes: status.round.bytes });
      await delay(LOOK_MS, undefined, { signal: context.io.signal }).catch((cause: unknown) => {
        throw new AfterimageError(
          'cancelled',
          'no longer watched; the replica goes on with the round',
          { cause },
        );
      });
      status = await context.api.json(scrubStatusSchema, { path: setPath(set, 'scrub') });
    }
  } finally {
    progress?.stop();
  }
}

function formatStatus(status: ScrubStatus): string {
  const { set, state, round, last, found, repaired, damaged, wanted } = status;
  const lines = [`${set}: ${state}, at most ${formatBytes(status.bytesPerSecond)}/s`];
  if (round !== null) {
    const of = `${formatBytes(round.bytes)} of about ${formatBytes(round.bytesTotal)}`;
    lines.push(
      `  round ${round.number}, ${round.stage}: ${of}, begun ${formatTime(round.startedMs)}`,
    );
  }
  if (last === null) lines.push('  no round has ended yet');
  else {
    const took = formatDuration(last.endedMs - last.startedMs);
    lines.push(
      `  round ${last.number} ended ${formatTime(last.endedMs)} after ${took}: ${formatBytes(last.bytes)} read, ${last.found} found, ${last.repaired} repaired`,
    );
  }
  const asked = wanted === 0 ? '' : `, ${formatCount(wanted)} of them asked of the agent`;
  lines.push(
    `  ever since: ${formatCount(found)} found, ${formatCount(repaired)} repaired; damaged now: ${formatCount(damaged)}${asked}`,
  );
  const notes = [...status.damage.map(damageLine), ...status.notes.map(noteLine)];
  lines.push(...notes.slice(0, SHOWN_MAX));
  const more = notes.length - SHOWN_MAX + status.damageLeftOut;
  if (more > 0) lines.push(`  … and ${formatCount(more)} more`);
  return `${lines.join('\n')}\n`;
}

function damageLine({ path, block, points, state }: ScrubDamage): string {
  const at =
    points === null
      ? 'read by no point any more'
      : points.from === points.to
        ? `point ${points.from}`
        : `points ${points.from} to ${points.to}`;
  const asked = state === 'wanted' ? ', asked of the agent' : '';
  return `  ${path ?? '(no name)'} block ${block}: damaged, ${at}${asked}`;
}

function noteLine({ kind, point, path, message }: ScrubFinding): string {
  const at = point === null ? '' : ` at point ${point}`;
  return `  ${kind === 'tree' ? 'base' : 'index'}${at}${path === null ? '' : ` ${path}`}: ${message}`;
}

function parseRate(text: string): number {
  const rate = byteCount({ min: 1024 }).safeParse(/^\d+$/.test(text) ? Number(text) : text);
  if (rate.success) return rate.data;
  throw new InvalidArgumentError('give bytes a second, at least 1024, such as 64MiB.');
}
