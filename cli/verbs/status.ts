/** `status`: what the replica and its sets are doing. */
import type { Command } from 'commander';
import { type AlarmJson, alarmsSchema } from '../../shared/api/alarms.js';
import { statusSchema, type SetStatusJson, type StatusAnswer } from '../../shared/api/status.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import type { ApiClient } from '../api-client.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { formatTable } from '../table.js';
import { addVerb, type Invoke } from '../verb.js';

/** The newest of them; more say nothing more. */
const ALARMS_SHOWN = 20;

export function addStatus(program: Command, invoke: Invoke): void {
  addVerb(program, 'status', 'Show what the replica and its sets are doing').action(
    (_options: unknown, command: Command) =>
      invoke(command, async (context) => {
        const status = await context.api.json(statusSchema, { path: '/v1/status' });
        const openAlarms = await listOpenAlarms(context.api);
        await context.print({ ...status, openAlarms }, () => {
          return formatStatus(status) + openAlarms.map((alarm) => alarmOf(alarm)).join('');
        });
        return ExitCode.ok;
      }),
  );
}

/** Those whose cause lasts, newest first; none from a replica that raises none. */
async function listOpenAlarms(api: ApiClient): Promise<readonly AlarmJson[]> {
  try {
    const { alarms } = await api.json(alarmsSchema, {
      path: '/v1/alarms',
      query: { state: 'open', limit: ALARMS_SHOWN },
    });
    return alarms;
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'not-found') return [];
    throw error;
  }
}

function formatStatus(status: StatusAnswer): string {
  const up = formatDuration(status.nowMs - status.startedMs);
  const head = `replica ${status.version}, up for ${up}\n\n`;
  if (status.sets.length === 0) {
    return `${head}There are no sets yet; enroll an agent with afterimage enroll NAME.\n`;
  }
  const table = formatTable<SetStatusJson>(
    [
      { title: 'SET', value: ({ set }) => set },
      { title: 'STATE', value: ({ state }) => state },
      {
        title: 'AGENT',
        value: ({ agent, agentConnected }) =>
          `${agent ?? '-'} ${agentConnected ? '(connected)' : '(away)'}`,
      },
      {
        title: 'NEWEST',
        align: 'right',
        value: ({ newest }) => (newest === null ? '-' : String(newest.point)),
      },
      {
        title: 'OF',
        value: ({ newest }) => (newest === null ? '-' : formatTime(newest.timeMs)),
      },
      {
        title: 'AGE',
        align: 'right',
        value: ({ lagMs }) => (lagMs === null ? '-' : formatDuration(lagMs)),
      },
      { title: 'POINTS', align: 'right', value: ({ points }) => formatCount(points) },
      {
        title: 'FILES',
        align: 'right',
        value: ({ newest }) => (newest === null ? '-' : formatCount(newest.files)),
      },
      {
        title: 'SIZE',
        align: 'right',
        value: ({ newest }) => (newest === null ? '-' : formatBytes(newest.bytes)),
      },
      { title: 'HISTORY', align: 'right', value: ({ space }) => formatBytes(historyBytes(space)) },
      {
        title: 'BEHIND',
        align: 'right',
        value: ({ behindMs }) => (behindMs === null ? '-' : formatDuration(behindMs)),
      },
      {
        title: 'SCRUBBED',
        align: 'right',
        value: ({ scrub }) => scrubbed(scrub, status.nowMs),
      },
      {
        title: 'NO GAP FOR',
        align: 'right',
        value: ({ continuityMs }) => (continuityMs === null ? '-' : formatDuration(continuityMs)),
      },
    ],
    status.sets,
  );
  const errors = status.sets.flatMap(({ set, error }) =>
    error === null ? [] : [`\n${set}: ${error.message}\n  ${error.hint}\n`],
  );
  const damage = status.sets.flatMap(({ set, scrub }) => damageOf(set, scrub));
  return head + table + [...errors, ...damage].join('');
}

/** Age of the last round that read everything. */
function scrubbed(scrub: SetStatusJson['scrub'], nowMs: number): string {
  if (scrub?.lastEndedMs == null) return '-';
  return formatDuration(Math.max(0, nowMs - scrub.lastEndedMs));
}

function damageOf(set: string, scrub: SetStatusJson['scrub']): string[] {
  if (scrub == null || (scrub.damaged === 0 && scrub.findings === 0)) return [];
  const { found, repaired, damaged, findings } = scrub;
  const index = findings === 0 ? '' : `, the index contradicts itself in ${findings} places`;
  const counts = `${damaged} damaged (${found} found, ${repaired} repaired so far)${index}`;
  return [`\n${set}: ${counts}\n  See afterimage scrub ${set} --status.\n`];
}

function alarmOf({ set, kind, severity, sinceMs, text, facts, acknowledged }: AlarmJson): string {
  const seen = acknowledged === null ? '' : `, seen by ${acknowledged.by}`;
  const head = `\n${set ?? 'replica'}: ${severity}, ${kind} since ${formatTime(sinceMs)}${seen}: ${text}\n`;
  if (set === null || facts.calmPoint == null) return head;
  const { calmPoint, hold } = facts;
  const held = hold == null ? '' : `, kept by ${hold}`;
  return `${head}  The last point before it is ${set}@${calmPoint}${held}.\n`;
}

function historyBytes(space: SetStatusJson['space']): number {
  return space.atticBytes + space.packBytes + space.indexBytes;
}
