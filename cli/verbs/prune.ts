/** `prune`: removes the points that a set's policy does not keep, or says what it would remove and why. */
import type { Command } from 'commander';
import { type DecisionLine, pruneLineSchema } from '../../shared/api/retention.js';
import { ExitCode } from '../../shared/errors.js';
import { setPath } from '../api-client.js';
import { formatBytes, formatCount, formatTime } from '../format.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

export function addPrune(program: Command, invoke: Invoke): void {
  addVerb(program, 'prune', "Remove the points that a set's policy does not keep, now")
    .argument('<set>', 'name of the set')
    .option('--dry-run', 'remove nothing; say for each point why it stays or goes')
    .action((set: string, options: { readonly dryRun?: boolean }, command: Command) =>
      invoke(command, async (context) => {
        await prune(context, set, options.dryRun === true ? 'plan' : 'remove');
        return ExitCode.ok;
      }),
    );
}

async function prune(context: VerbContext, set: string, effect: 'plan' | 'remove'): Promise<void> {
  const lines = context.api.lines(pruneLineSchema, {
    path: setPath(set, 'prune'),
    body: { effect },
    headersTimeoutMs: 0,
  });
  for await (const line of lines) {
    if (context.json) await context.io.out(`${JSON.stringify({ ...line, set })}\n`);
    else if (line.type === 'decision') {
      if (effect === 'plan' || !line.keep) await context.io.out(formatDecision(set, line, effect));
    } else if (line.type === 'pruned') {
      const { removed, kept, deferred, fileBytes, packBytes } = line;
      if (effect === 'plan') {
        const text = `${formatCount(removed)} points would go, ${formatCount(kept)} stay`;
        await context.io.out(`${set}: ${text}\n`);
        continue;
      }
      const freed = formatBytes(Math.max(0, fileBytes + packBytes));
      const later = deferred === 0 ? '' : `, ${formatCount(deferred)} are in use and go later`;
      const text = `${formatCount(removed)} points removed, ${formatCount(kept)} stay${later}`;
      await context.io.out(`${set}: ${text}; ${freed} freed\n`);
    }
  }
}

function formatDecision(
  set: string,
  { point, timeMs, keep, because }: DecisionLine,
  effect: 'plan' | 'remove',
): string {
  const goes = effect === 'plan' ? 'goes ' : 'to go';
  const head = `${keep ? 'stays' : goes}  ${set}@${point} of ${formatTime(timeMs)}`;
  return `${head}\n${because.map((why) => `       ${why}\n`).join('')}`;
}
