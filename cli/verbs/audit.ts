/** `audit`: what operators asked of the replica, to look at, to keep elsewhere, and to prove whole. */
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Command, InvalidArgumentError } from 'commander';
import { type AuditEntry, auditLineSchema, auditSchema } from '../../shared/api/audit.js';
import { AuditChain } from '../../shared/audit/audit-chain.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { parseCount } from '../arguments.js';
import { formatCount, formatTime } from '../format.js';
import { formatTable } from '../table.js';
import { addSubverb, addVerb, type Invoke, type VerbContext } from '../verb.js';

const LIMIT_DEFAULT = 100;
const PAGE_MAX = 1000;
const digestPattern = /^(\d{1,15}):([0-9a-f]{64})$/;

interface Filter {
  readonly who?: string;
  readonly action?: string;
  readonly set?: string;
}
interface ListOptions extends Filter {
  readonly limit: number;
}
interface ExportOptions extends Filter {
  readonly format: string;
}
interface Head {
  readonly id: number;
  readonly digest: string;
}

export function addAudit(program: Command, invoke: Invoke): void {
  const verb = addVerb(program, 'audit', 'Show, export and verify what operators did')
    .usage('<list|export|verify> [options]')
    .helpCommand(false);
  addList(verb, invoke);
  addExport(verb, invoke);
  addVerify(verb, invoke);
}

function addFilter(command: Command): Command {
  return command
    .option('--who <name>', 'only what the bearer of a token of this name did')
    .option('--action <action>', 'only this action, such as restore or token.create')
    .option('--set <set>', 'only what was done to this set');
}

function addList(verb: Command, invoke: Invoke): void {
  addFilter(addSubverb(verb, 'list', 'List the newest entries, newest first'))
    .option('--limit <count>', 'at most so many', parseCount, LIMIT_DEFAULT)
    .action((options: ListOptions, command: Command) =>
      invoke(command, async (context) => {
        const entries: AuditEntry[] = [];
        for await (const entry of newest(context, options)) entries.push(entry);
        await context.print({ entries }, () => tableOf(entries));
        return ExitCode.ok;
      }),
    );
}

async function* newest(
  context: VerbContext,
  { limit, ...filter }: ListOptions,
): AsyncGenerator<AuditEntry> {
  let before: number | undefined;
  for (let left = limit; left > 0;) {
    const query = { ...filterOf(filter), before, limit: Math.min(left, PAGE_MAX) };
    const page = await context.api.json(auditSchema, { path: '/v1/audit', query });
    yield* page.entries;
    left -= page.entries.length;
    if (page.next === null) return;
    before = page.next;
  }
}

function addExport(verb: Command, invoke: Invoke): void {
  addFilter(addSubverb(verb, 'export', 'Print all entries, oldest first'))
    .option('--format <format>', 'ndjson, which can be verified, or csv', parseFormat, 'ndjson')
    .action((options: ExportOptions, command: Command) =>
      invoke(command, async (context) => {
        const { format } = options;
        const request = { path: '/v1/audit/export', query: { ...filterOf(options), format } };
        if (format === 'csv') {
          for await (const chunk of context.api.chunks(request)) await context.io.out(chunk);
          return ExitCode.ok;
        }
        for await (const entry of context.api.lines(auditLineSchema, request)) {
          await context.io.out(`${JSON.stringify(entry)}\n`);
        }
        return ExitCode.ok;
      }),
    );
}

function addVerify(verb: Command, invoke: Invoke): void {
  addSubverb(verb, 'verify', 'Check that no entry was changed, put in or taken out')
    .argument('[file]', 'an export of all entries, in place of what the replica has now')
    .option('--head <head>', 'an entry noted earlier, ID:DIGEST, that has to be there', parseHead)
    .action((file: string | undefined, options: { readonly head?: Head }, command: Command) =>
      invoke(command, async (context) => {
        const noted = [...(options.head === undefined ? [] : [options.head])];
        if (file === undefined) noted.push(...(await headOfReplica(context)));
        const entries =
          file === undefined ? entriesOfReplica(context) : entriesOfFile(context, file);
        const found = await followChain(entries, noted);
        await context.print(found, () => formatFound(found));
        return found.whole ? ExitCode.ok : ExitCode.mismatch;
      }),
    );
}

interface Found {
  readonly whole: boolean;
  /** Entries that follow each other from the first on. */
  readonly entries: number;
  readonly head: Head;
  /** Why not; null when it is whole. */
  readonly why: string | null;
}

async function followChain(
  entries: AsyncIterable<AuditEntry>,
  noted: readonly Head[],
): Promise<Found> {
  const chain = new AuditChain();
  const missing = new Set(noted);
  for await (const entry of entries) {
    chain.add(entry);
    if (chain.broken !== undefined) break;
    for (const head of missing) if (head.digest === entry.digest) missing.delete(head);
  }
  const { head, broken } = chain;
  const [lost] = missing;
  const why =
    broken !== undefined
      ? `entry ${broken.id} does not fit: ${broken.why}`
      : lost === undefined
        ? null
        : `entry ${lost.id} was there once with digest ${lost.digest.slice(0, 16)}… and is not any more`;
  return { whole: why === null, entries: head.id, head, why };
}

/** What the replica noted outside its database; nothing before the first entry. */
async function headOfReplica(context: VerbContext): Promise<Head[]> {
  const query = { limit: 1 };
  const { notedHead } = await context.api.json(auditSchema, { path: '/v1/audit', query });
  return notedHead === null || notedHead.id === 0 ? [] : [notedHead];
}

function entriesOfReplica(context: VerbContext): AsyncIterable<AuditEntry> {
  return context.api.lines(auditLineSchema, { path: '/v1/audit/export' });
}

async function* entriesOfFile(context: VerbContext, file: string): AsyncGenerator<AuditEntry> {
  const path = resolve(context.io.folder, file);
  try {
    const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity });
    for await (const line of lines) if (line !== '') yield auditLineSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new AfterimageError('config-unreadable', `${path} is no export of the audit`, { cause });
  }
}

function formatFound({ whole, entries, head, why }: Found): string {
  if (!whole) return `the audit is not whole: ${why ?? ''}\n`;
  return `${formatCount(entries)} entries, none changed or taken out\nhead  ${head.id}:${head.digest}\n`;
}

function tableOf(entries: readonly AuditEntry[]): string {
  if (entries.length === 0) return 'there are no such entries\n';
  return formatTable<AuditEntry>(
    [
      { title: 'ENTRY', align: 'right', value: ({ id }) => String(id) },
      { title: 'TIME', value: ({ timeMs }) => formatTime(timeMs) },
      { title: 'WHO', value: ({ who }) => who },
      { title: 'ROLE', value: ({ role }) => role ?? '-' },
      { title: 'FROM', value: ({ address }) => address },
      { title: 'ACTION', value: ({ action }) => action },
      { title: 'ON', value: placeOf },
      { title: 'RESULT', value: ({ status, code }) => code ?? String(status) },
      { title: 'DETAIL', value: ({ detail }) => detail },
    ],
    entries,
  );
}

function placeOf({ set, point }: AuditEntry): string {
  if (set === null) return '-';
  return point === null ? set : `${set}@${point}`;
}

function filterOf({ who, action, set }: Filter): Record<string, string | undefined> {
  return { who, action, set };
}

function parseFormat(text: string): string {
  if (text === 'ndjson' || text === 'csv') return text;
  throw new InvalidArgumentError('give ndjson or csv.');
}

function parseHead(text: string): Head {
  const match = digestPattern.exec(text);
  if (match?.[2] !== undefined) return { id: Number(match[1]), digest: match[2] };
  throw new InvalidArgumentError('give ID:DIGEST, as verify prints it.');
}
