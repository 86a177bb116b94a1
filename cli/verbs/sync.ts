/** `sync`: asks a set's agent for a sync now. */
import { type Command, InvalidArgumentError } from 'commander';
import { syncAnswerSchema, WAIT_MS_MAX } from '../../shared/api/actions.js';
import { ExitCode } from '../../shared/errors.js';
import { setPath } from '../api-client.js';
import { formatBytes, formatCount, formatTime } from '../format.js';
import { addVerb, type Invoke } from '../verb.js';

const TIMEOUT_SECONDS_DEFAULT = 3600;
const NAMES_SHOWN = 10;

interface Options {
  readonly wait?: boolean;
  readonly timeout: number;
}

export function addSync(program: Command, invoke: Invoke): void {
  addVerb(program, 'sync', 'Ask the agent of a set for a sync now')
    .argument('<set>', 'name of the set')
    .option('--wait', 'wait until the point exists')
    .option('--timeout <seconds>', 'wait at most this long', seconds, TIMEOUT_SECONDS_DEFAULT)
    .action((set: string, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const answer = await context.api.json(syncAnswerSchema, {
          path: setPath(set, 'sync'),
          body: { waitMs: options.wait === true ? options.timeout * 1000 : 0 },
          headersTimeoutMs: 0,
        });
        const { point } = answer;
        await context.print(answer, () => {
          if (point === null) return `asked the agent of ${set} for a sync\n`;
          const { changedNodes, changedBytes } = point;
          const changed = `${formatCount(changedNodes)} changed, ${formatBytes(changedBytes)} new`;
          const kind = `${point.consistency} consistency`;
          const healed = point.healed === null ? '' : `, healed: ${point.healed}`;
          return `${set}@${point.point} of ${formatTime(point.timeMs)}: ${changed}, ${kind}${healed}\n`;
        });
        if (point !== null && point.unreadable > 0) {
          const { outcome } = await context.findPoint(`${set}@${point.point}`);
          context.io.err(unreadableText(outcome.unreadable));
        }
        return ExitCode.ok;
      }),
    );
}

/** Files that the point lacks, or has in their previous state. */
function unreadableText(paths: readonly string[]): string {
  const more = paths.length - NAMES_SHOWN;
  return [
    `warning: ${formatCount(paths.length)} could not be read; the point has their previous state or lacks them:`,
    ...paths.slice(0, NAMES_SHOWN).map((path) => `  ${path}`),
    ...(more > 0
      ? [`  and ${formatCount(more)} more: afterimage points SET@POINT lists them`]
      : []),
    '',
  ].join('\n');
}

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0 && value * 1000 <= WAIT_MS_MAX) return value;
  throw new InvalidArgumentError(`give seconds, at most ${WAIT_MS_MAX / 1000}.`);
}
