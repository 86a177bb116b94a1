/** `find`: every version of every path that matches, over all points of all sets. */
import { type Command, InvalidArgumentError } from 'commander';
import { FOUND_MAX, type FoundLine, foundSchema } from '../../shared/api/changes.js';
import { statusSchema } from '../../shared/api/status.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parsePointSelector } from '../../shared/point-selector.js';
import { setPath } from '../api-client.js';
import { parseCount } from '../arguments.js';
import { formatBytes, formatTime } from '../format.js';
import { formatTable } from '../table.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

const LIMIT_DEFAULT = 1000;

interface Options {
  readonly set?: string;
  readonly between?: readonly string[];
  readonly limit: number;
}

type Found = FoundLine & { readonly set: string };

export function addFind(program: Command, invoke: Invoke): void {
  addVerb(program, 'find', 'Search the names of all points')
    .argument('<glob>', 'a name such as *.conf, or a path such as etc/**/hosts')
    .option('--set <set>', 'search this set only')
    .option('--between <points...>', 'two points A B: search only these and those between')
    .option('--limit <count>', 'print at most this many a set', parseLimit, LIMIT_DEFAULT)
    .action((glob: string, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const [from, to] = parseBetween(options.between);
        const sets = options.set === undefined ? await allSets(context) : [options.set];
        const found: Found[] = [];
        for (const set of sets) {
          const query = { glob, from, to, limit: options.limit };
          const lines = context.api.lines(foundSchema, { path: setPath(set, 'find'), query });
          for await (const line of lines) {
            if (context.json) await context.io.out(`${JSON.stringify({ ...line, set })}\n`);
            else found.push({ ...line, set });
          }
        }
        if (!context.json) await context.io.out(formatFound(found, sets.length));
        return ExitCode.ok;
      }),
    );
}

function parseLimit(text: string): number {
  const limit = parseCount(text);
  if (limit <= FOUND_MAX) return limit;
  throw new InvalidArgumentError(`give at most ${FOUND_MAX}.`);
}

function parseBetween(between: readonly string[] | undefined): (string | undefined)[] {
  if (between === undefined) return [];
  if (between.length !== 2) {
    throw new AfterimageError('argument-invalid', '--between takes two points, after the glob');
  }
  return between.map((text) => formatPointSelector(parsePointSelector(text)));
}

async function allSets(context: VerbContext): Promise<string[]> {
  const status = await context.api.json(statusSchema, { path: '/v1/status' });
  return status.sets.filter(({ points }) => points > 0).map(({ set }) => set);
}

function formatFound(found: readonly Found[], sets: number): string {
  if (found.length === 0) return 'nothing matches\n';
  return formatTable<Found>(
    [
      ...(sets > 1 ? [{ title: 'SET', value: ({ set }: Found): string => set }] : []),
      { title: 'POINTS', value: pointsOf },
      { title: 'KIND', value: ({ kind }) => kind },
      {
        title: 'SIZE',
        align: 'right',
        value: ({ kind, size }) => (kind === 'file' ? formatBytes(size) : '-'),
      },
      {
        title: 'MODIFIED',
        value: ({ mtimeNs }) => formatTime(Number(BigInt(mtimeNs) / 1_000_000n)),
      },
      { title: 'PATH', value: ({ path }) => path },
    ],
    found,
  );
}

function pointsOf({ from, to, live }: Found): string {
  if (live) return `${from} to now`;
  return from === to ? String(from) : `${from} to ${to}`;
}
