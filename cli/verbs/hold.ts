/** `hold`: keeps a point whatever the policy of its set says, until it is released. */
import type { Command } from 'commander';
import { holdSchema } from '../../shared/api/retention.js';
import { ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parseSetPoint } from '../../shared/point-selector.js';
import { setPath } from '../api-client.js';
import { addVerb, type Invoke } from '../verb.js';

export function addHold(program: Command, invoke: Invoke): void {
  addVerb(program, 'hold', 'Keep a point until it is released, whatever a policy says')
    .argument('<set@point>', 'the point')
    .requiredOption('--reason <text>', 'why, for whoever wants to release it')
    .action((at: string, { reason }: { readonly reason: string }, command: Command) =>
      invoke(command, async (context) => {
        const { set, selector } = parseSetPoint(at);
        const body = { point: formatPointSelector(selector), reason };
        const hold = await context.api.json(holdSchema, { path: setPath(set, 'holds'), body });
        await context.print(hold, () => `${hold.hold} keeps ${hold.set}@${hold.point}\n`);
        return ExitCode.ok;
      }),
    );
}
