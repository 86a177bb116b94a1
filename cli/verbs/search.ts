/** `search`: names over all sets and points that hold a text, best first. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  SEARCH_LIMIT_MAX,
  type SearchAnswer,
  type SearchResult,
  searchSchema,
} from '../../shared/api/search.js';
import { ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parsePointSelector } from '../../shared/point-selector.js';
import { nodeKinds } from '../../shared/protocol/records.js';
import { parseCount } from '../arguments.js';
import { formatBytes, formatTime } from '../format.js';
import { formatTable } from '../table.js';
import { addVerb, type Invoke } from '../verb.js';

const LIMIT_DEFAULT = 50;

interface Options {
  readonly set?: readonly string[];
  readonly kind?: string;
  readonly ext?: string;
  readonly from?: string;
  readonly to?: string;
  readonly live?: boolean;
  readonly gone?: boolean;
  readonly limit: number;
}

export function addSearch(program: Command, invoke: Invoke): void {
  addVerb(program, 'search', 'Search names as one types, over all sets and points, best first')
    .argument('<text...>', 'part of a name, words of it, a glob, or a path')
    .option('--set <sets...>', 'search these sets only')
    .addOption(new Option('--kind <kind>', 'only what is of this kind').choices([...nodeKinds]))
    .option('--ext <ending>', 'only names that end so, such as conf')
    .option('--from <point>', 'only what was there at this point or later')
    .option('--to <point>', 'only what was there at this point or before')
    .addOption(new Option('--live', 'only what is in the newest point').conflicts('gone'))
    .option('--gone', 'only what is not in the newest point any more')
    .option('--limit <count>', 'print at most this many', parseLimit, LIMIT_DEFAULT)
    .action((text: readonly string[], options: Options, command: Command) =>
      invoke(command, async (context) => {
        const answer = await context.api.json(searchSchema, {
          path: '/v1/search',
          query: { q: text.join(' '), ...queryOf(options) },
        });
        await context.print(answer, () => formatFound(answer));
        return ExitCode.ok;
      }),
    );
}

function queryOf(
  options: Options,
): Record<string, string | number | readonly string[] | undefined> {
  const { set, kind, ext, from, to, live, gone, limit } = options;
  const point = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : formatPointSelector(parsePointSelector(text));
  const isLive = live === true ? 'true' : gone === true ? 'false' : undefined;
  return { set, kind, ext, from: point(from), to: point(to), live: isLive, limit };
}

function parseLimit(text: string): number {
  const limit = parseCount(text);
  if (limit <= SEARCH_LIMIT_MAX) return limit;
  throw new InvalidArgumentError(`give at most ${SEARCH_LIMIT_MAX}.`);
}

function formatFound({ results, truncated, sets }: SearchAnswer): string {
  if (results.length === 0) return truncated ? 'nothing was found in time\n' : 'nothing matches\n';
  const table = formatTable<SearchResult>(
    [
      ...(sets > 1 ? [{ title: 'SET', value: ({ set }: SearchResult): string => set }] : []),
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
    results,
  );
  return truncated ? `${table}there may be more: afterimage find looks at everything\n` : table;
}

function pointsOf({ firstPoint, lastPoint, live }: SearchResult): string {
  if (live) return `${firstPoint} to now`;
  return firstPoint === lastPoint ? String(firstPoint) : `${firstPoint} to ${lastPoint}`;
}
