/** `ls`: a folder of a point, or one entry. */
import type { Command } from 'commander';
import {
  type ListedNode,
  listSchema,
  type NodeJson,
  type PathedNode,
  statSchema,
} from '../../shared/api/tree.js';
import type { PointDetail } from '../../shared/api/points.js';
import { ExitCode } from '../../shared/errors.js';
import { toPathText } from '../../shared/path-text.js';
import { setPath } from '../api-client.js';
import { formatBytes, formatMode, formatTime } from '../format.js';
import { parseSetPath } from '../set-paths.js';
import { formatTable } from '../table.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

const PAGE_ENTRIES = 2000;

export function addLs(program: Command, invoke: Invoke): void {
  addVerb(program, 'ls', 'List a folder of a point')
    .argument('<set@point>', 'such as shop@latest')
    .argument('[path]', 'folder or file, from the root names down; everything when left out')
    .action((at: string, path: string | undefined, _options: unknown, command: Command) =>
      invoke(command, async (context) => {
        const point = await context.findPoint(at);
        await list(context, point, toPathText(parseSetPath(path ?? '', point)));
        return ExitCode.ok;
      }),
    );
}

async function list(context: VerbContext, point: PointDetail, path: string): Promise<void> {
  const pointPath = [point.set, 'points', String(point.point)] as const;
  const { entry } = await context.api.json(statSchema, {
    path: setPath(...pointPath, 'stat'),
    query: { path },
  });
  if (entry.kind !== 'folder') {
    await printEntries(context, [named(entry)]);
    return;
  }
  let after: string | undefined;
  do {
    const page = await context.api.json(listSchema, {
      path: setPath(...pointPath, 'ls'),
      query: { path, after, limit: PAGE_ENTRIES },
    });
    await printEntries(context, page.entries);
    after = page.next ?? undefined;
  } while (after !== undefined);
}

function named({ path, ...node }: PathedNode): ListedNode {
  return { name: path, ...node };
}

async function printEntries(context: VerbContext, entries: readonly ListedNode[]): Promise<void> {
  if (context.json) {
    await context.io.out(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    return;
  }
  const table = formatTable<ListedNode>(
    [
      { title: '', value: ({ kind, mode }) => formatMode(kind, mode) },
      { title: '', align: 'right', value: ({ uid, gid }) => `${uid}:${gid}` },
      { title: '', align: 'right', value: sizeOf },
      { title: '', value: ({ mtimeNs }) => formatTime(Number(BigInt(mtimeNs) / 1_000_000n)) },
      { title: '', value: nameOf },
    ],
    entries,
  );
  await context.io.out(table.slice(table.indexOf('\n') + 1));
}

function sizeOf({ kind, size, rdev }: NodeJson): string {
  if (kind === 'file') return formatBytes(size);
  return rdev === undefined ? '-' : `dev ${rdev}`;
}

function nameOf({ name, kind, target }: ListedNode): string {
  if (kind === 'folder') return `${name}/`;
  return target === undefined ? name : `${name} -> ${target}`;
}
