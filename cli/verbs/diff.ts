/** `diff`: what differs between two points of a set. */
import type { Command } from 'commander';
import { type DiffLine, diffLineSchema } from '../../shared/api/changes.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parseSetPoint } from '../../shared/point-selector.js';
import { setPath } from '../api-client.js';
import { formatBytes, formatMode, formatTime } from '../format.js';
import { addVerb, type Invoke } from '../verb.js';

export function addDiff(program: Command, invoke: Invoke): void {
  addVerb(program, 'diff', 'Compare two points of a set; exits with 1 when they differ')
    .argument('<set@a>', 'the older point')
    .argument('<set@b>', 'the newer point')
    .action((a: string, b: string, _options: unknown, command: Command) =>
      invoke(command, async (context) => {
        const [from, to] = [parseSetPoint(a), parseSetPoint(b)];
        if (from.set !== to.set) {
          throw new AfterimageError('argument-invalid', `${a} and ${b} are of different sets`);
        }
        const lines = context.api.lines(diffLineSchema, {
          path: setPath(from.set, 'diff'),
          query: {
            from: formatPointSelector(from.selector),
            to: formatPointSelector(to.selector),
          },
        });
        let differs = false;
        for await (const line of lines) {
          differs = true;
          await context.print(line, () => formatChange(line));
        }
        return differs ? ExitCode.mismatch : ExitCode.ok;
      }),
    );
}

const letters = { added: '+', removed: '-', content: 'M', metadata: 'm', kind: 'T' } as const;

function formatChange({ path, change, before, after, movedFrom }: DiffLine): string {
  const name = movedFrom === undefined ? path : `${movedFrom} -> ${path}`;
  const letter = movedFrom === undefined ? letters[change] : 'R';
  return `${letter} ${name}${formatDetail(change, before, after)}\n`;
}

function formatDetail(
  change: DiffLine['change'],
  before: DiffLine['before'],
  after: DiffLine['after'],
): string {
  if (before === undefined || after === undefined || change === 'added' || change === 'removed') {
    const only = change === 'removed' ? before : after;
    return only?.kind === 'file' ? `  ${formatBytes(only.size)}` : '';
  }
  if (change === 'kind') return `  ${before.kind} -> ${after.kind}`;
  if (change === 'content') return `  ${formatBytes(before.size)} -> ${formatBytes(after.size)}`;
  const parts: string[] = [];
  const [modeBefore, modeAfter] = [before, after].map(({ kind, mode }) => formatMode(kind, mode));
  if (modeBefore !== modeAfter) parts.push(`${modeBefore ?? ''} -> ${modeAfter ?? ''}`);
  if (before.uid !== after.uid || before.gid !== after.gid) {
    parts.push(`${before.uid}:${before.gid} -> ${after.uid}:${after.gid}`);
  }
  if (parts.length === 0 && before.mtimeNs !== after.mtimeNs) {
    parts.push(`time ${formatTime(Number(BigInt(after.mtimeNs) / 1_000_000n))}`);
  }
  return parts.length === 0 ? '' : `  ${parts.join(', ')}`;
}
