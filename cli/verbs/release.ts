/** `release`: lets a policy decide again about a point that was held. */
import type { Command } from 'commander';
import { releaseAnswerSchema } from '../../shared/api/retention.js';
import { ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parseSetPoint } from '../../shared/point-selector.js';
import { addVerb, type Invoke } from '../verb.js';

export function addRelease(program: Command, invoke: Invoke): void {
  addVerb(program, 'release', 'Release a hold, or all holds of a point')
    .argument('<what>', 'the hold, such as hold-7, or SET@POINT for all of a point')
    .action((what: string, _options: object, command: Command) =>
      invoke(command, async (context) => {
        const body = what.includes('@') ? pointOf(what) : { hold: what };
        const path = '/v1/holds/release';
        const answer = await context.api.json(releaseAnswerSchema, { path, body });
        await context.print(answer, () =>
          answer.released
            .map(
              ({ hold, set, point, reason }) => `released ${hold} of ${set}@${point}: ${reason}\n`,
            )
            .join(''),
        );
        return ExitCode.ok;
      }),
    );
}

function pointOf(text: string): { readonly set: string; readonly point: string } {
  const { set, selector } = parseSetPoint(text);
  return { set, point: formatPointSelector(selector) };
}
