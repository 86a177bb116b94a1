/** `diff`: what differs between two points of a set. */
import type { Command } from 'commander';
import { diffAnswerLineSchema, type DiffLine, type DiffSummary } from '../../shared/api/changes.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parseSetPoint } from '../../shared/point-selector.js';
import { setPath } from '../api-client.js';
import { parseCount } from '../arguments.js';
import { formatBytes, formatCount, formatMode, formatTime } from '../format.js';
import { addVerb, type Invoke } from '../verb.js';

interface Options {
  readonly path?: string;
  readonly limit?: number;
  readonly summary?: boolean;
}

export function addDiff(program: Command, invoke: Invoke): void {
  addVerb(program, 'diff', 'Compare two points of a set; exits with 1 when they differ')
    .argument('<set@a>', 'the older point')
    .argument('<set@b>', 'the newer point')
    .option('--path <path>', 'only what is at or below this path')
    .option('--limit <count>', 'print at most this many changes', parseCount)
    .option('--summary', 'print counts only')
    .action((a: string, b: string, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const [from, to] = [parseSetPoint(a), parseSetPoint(b)];
        if (from.set !== to.set) {
          throw new AfterimageError('argument-invalid', `${a} and ${b} are of different sets`);
        }
        const lines = context.api.lines(diffAnswerLineSchema, {
          path: setPath(from.set, 'diff'),
          query: {
            from: formatPointSelector(from.selector),
            to: formatPointSelector(to.selector),
            path: options.path,
            limit: options.limit,
            summary: options.summary === true ? 'only' : undefined,
          },
        });
        let differs = false;
        for await (const line of lines) {
          if (line.type === 'summary') differs = countOf(line) > 0;
          else differs = true;
          await context.print(line, () =>
            line.type === 'summary' ? formatSummary(line) : formatChange(line),
          );
        }
        return differs ? ExitCode.mismatch : ExitCode.ok;
      }),
    );
}

function countOf({ added, removed, content, metadata, kind }: DiffSummary): number {
  return added + removed + content + metadata + kind;
}

function formatSummary(summary: DiffSummary): string {
  const { added, removed, content, metadata, kind, moved } = summary;
  const counts = { added, removed, content, metadata, kind, moved };
  const lines = Object.entries(counts).map(
    ([word, count]) => `${word.padEnd(9)}${formatCount(count)}${bytesOf(word, summary)}`,
  );
  return `${lines.join('\n')}\n`;
}

function bytesOf(word: string, { bytesAdded, bytesRemoved, bytesGrown }: DiffSummary): string {
  if (word === 'added') return `  ${formatBytes(bytesAdded)}`;
  if (word === 'removed') return `  ${formatBytes(bytesRemoved)}`;
  if (word !== 'content') return '';
  return `  ${bytesGrown < 0 ? '-' : '+'}${formatBytes(Math.abs(bytesGrown))}`;
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
