/** `token`: who may ask the replica's API, with which role and for which sets. */
import { type Command, InvalidArgumentError } from 'commander';
import {
  newTokenSchema,
  type Role,
  roles,
  type TokenJson,
  tokenSchema,
  tokensSchema,
} from '../../shared/api/access.js';
import { ExitCode } from '../../shared/errors.js';
import { parseDuration } from '../arguments.js';
import { formatTime } from '../format.js';
import { formatTable } from '../table.js';
import { addSubverb, addVerb, type Invoke, type VerbContext } from '../verb.js';

const PAGE = 1000;

export function addToken(program: Command, invoke: Invoke): void {
  const verb = addVerb(program, 'token', 'Make, list and revoke tokens of the API')
    .usage('<create|list|revoke> [options]')
    .helpCommand(false);
  addCreate(verb, invoke);
  addList(verb, invoke);
  addRevoke(verb, invoke);
}

interface CreateOptions {
  readonly role: Role;
  readonly set?: readonly string[];
  readonly valid?: number;
}

function addCreate(verb: Command, invoke: Invoke): void {
  addSubverb(verb, 'create', 'Make a token; it is printed this once')
    .argument('<name>', 'whose it is: what the audit calls its bearer')
    .option('--role <role>', 'viewer, operator or admin', parseRole, 'viewer')
    .option('--set <set...>', 'only these sets; all when left out')
    .option('--valid <time>', 'how long it is good for, such as 12h or 90d', parseDuration)
    .action((name: string, options: CreateOptions, command: Command) =>
      invoke(command, async (context) => {
        const body = {
          name,
          role: options.role,
          sets: options.set ?? null,
          validMs: options.valid ?? null,
        };
        const made = await context.api.json(newTokenSchema, { path: '/v1/tokens', body });
        if (!context.json) context.io.err(`${describeToken(made)}; it is not shown again:\n`);
        await context.print(made, () => `${made.token}\n`);
        return ExitCode.ok;
      }),
    );
}

function addList(verb: Command, invoke: Invoke): void {
  addSubverb(verb, 'list', 'List tokens, newest first, those that are void too').action(
    (_options: object, command: Command) =>
      invoke(command, async (context) => {
        const tokens: TokenJson[] = [];
        for await (const token of allTokens(context)) tokens.push(token);
        await context.print({ tokens }, () =>
          tokens.length === 0
            ? 'there are no tokens but the one of the data folder\n'
            : tableOf(tokens),
        );
        return ExitCode.ok;
      }),
  );
}

async function* allTokens(context: VerbContext): AsyncGenerator<TokenJson> {
  let before: string | undefined;
  do {
    const query = { limit: PAGE, before };
    const page = await context.api.json(tokensSchema, { path: '/v1/tokens', query });
    yield* page.tokens;
    before = page.next ?? undefined;
  } while (before !== undefined);
}

function addRevoke(verb: Command, invoke: Invoke): void {
  addSubverb(verb, 'revoke', 'Refuse a token from now on; what it is being answered ends')
    .argument('<token>', 'as the list names it, such as token-7')
    .action((id: string, _options: object, command: Command) =>
      invoke(command, async (context) => {
        const path = `/v1/tokens/${encodeURIComponent(id)}/revoke`;
        const revoked = await context.api.json(tokenSchema, { path, body: {} });
        await context.print(revoked, () => `revoked ${describeToken(revoked)}\n`);
        return ExitCode.ok;
      }),
    );
}

function describeToken({ id, name, role, sets, expiresMs }: TokenJson): string {
  const where = sets === null ? 'all sets' : sets.join(', ');
  const until = expiresMs === null ? '' : `, until ${formatTime(expiresMs)}`;
  return `${id} of ${name}: ${role} of ${where}${until}`;
}

function tableOf(tokens: readonly TokenJson[]): string {
  const time = (ms: number | null): string => (ms === null ? '-' : formatTime(ms));
  return formatTable<TokenJson>(
    [
      { title: 'TOKEN', value: ({ id }) => id },
      { title: 'NAME', value: ({ name }) => name },
      { title: 'ROLE', value: ({ role }) => role },
      { title: 'SETS', value: ({ sets }) => (sets === null ? 'all' : sets.join(',')) },
      { title: 'STATE', value: ({ state }) => state },
      { title: 'CREATED', value: ({ createdMs }) => time(createdMs) },
      { title: 'BY', value: ({ createdBy }) => createdBy },
      { title: 'LAST USED', value: ({ lastUsedMs }) => time(lastUsedMs) },
      { title: 'EXPIRES', value: ({ expiresMs }) => time(expiresMs) },
    ],
    tokens,
  );
}

function parseRole(text: string): Role {
  const role = roles.find((each) => each === text);
  if (role !== undefined) return role;
  throw new InvalidArgumentError(`give one of ${roles.join(', ')}.`);
}
