import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createProgram, verbNames } from '../../cli/program.js';
import type { ListedRoute } from '../../replica/serve/list-routes.js';
import { catalogue, ExitCode } from '../../shared/errors.js';
import { TestReplica } from './support/served-memory.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

describe('docs/reference/cli.md', async () => {
  const reference = read('docs/reference/cli.md');
  const program = await createProgram(
    {
      env: {},
      folder: '/',
      out: () => Promise.resolve(),
      outClosed: false,
      err: () => undefined,
      errIsTerminal: false,
      columns: 100,
      signal: new AbortController().signal,
    },
    verbNames,
    () => Promise.resolve(),
  );

  it('verbs: each has a section with exactly what its --help prints, and no other has', () => {
    const sections = [...reference.matchAll(/^### (\S+)$/gm)].map((match) => match[1]);
    expect(sections).toEqual(program.commands.map((command) => command.name()));
    for (const command of program.commands) {
      expect(reference).toContain(`\`\`\`text\n${command.helpInformation().trimEnd()}\n\`\`\``);
    }
  });

  it('exit codes: are those of the program', () => {
    const rows = [...reference.matchAll(/^\| (\d+) +\| (\w+) +\|/gm)];
    const documented = rows.map((row) => `${row[2] ?? ''} ${row[1] ?? ''}`);
    expect(documented).toEqual(Object.entries(ExitCode).map(([name, code]) => `${name} ${code}`));
  });
});

describe('docs/reference/errors.md', () => {
  it('codes: are exactly the catalogue', async () => {
    const rows = Object.entries(catalogue).map(
      ([code, { kind, exit, status, hint }]) =>
        `### ${code}\n\n${kind} · exit ${exit} · HTTP ${status}\n\n${hint}\n`,
    );
    const text = `# Errors

Every failure has one of these codes: in JSON output, in problem documents of the API and in logs. Branch on the code or its kind, never on text.

| kind | asks for |
| --- | --- |
| retry | nothing: it is tried again, or worth trying again |
| operator | a human: the hint says what to do |
| corrupt | distrust of the data named; other data is not affected |
| bug | a report: this is a defect |

This page is made from the catalogue in \`shared/error-catalogue.ts\` by \`test/cli/reference.test.ts\` (\`npx vitest run test/cli/reference.test.ts -u\`).

## Codes

${rows.join('\n')}`;
    await expect(text).toMatchFileSnapshot(join(root, 'docs/reference/errors.md'));
  });
});

describe('docs/reference/endpoints.md', () => {
  it('endpoints: are exactly those that the server has, with what they say of themselves', async () => {
    const replica = new TestReplica();
    await replica.start();
    try {
      const text = endpointsPage(replica.routes);
      await expect(text).toMatchFileSnapshot(join(root, 'docs/reference/endpoints.md'));
    } finally {
      await replica.stop();
    }
  });
});

function endpointsPage(routes: readonly ListedRoute[]): string {
  const byTag = new Map<string, string[]>();
  for (const { method, url, role, describe: said } of routes) {
    if (said === undefined) throw new Error(`${method} ${url} does not say what it is`);
    const { query, body } = said;
    const takes = [
      ...propertyNames(query).map((name) => `\`${name}\``),
      ...(body === undefined
        ? []
        : [
            `body: ${propertyNames(body)
              .map((name) => `\`${name}\``)
              .join(', ')}`,
          ]),
    ].join(', ');
    const row = `| \`${method} ${url}\` | ${said.summary} | ${takes} | ${role ?? 'admin'} |`;
    byTag.set(said.tag, [...(byTag.get(said.tag) ?? []), row]);
  }
  const sections = [...byTag].map(
    ([tag, rows]) =>
      `## ${tag.charAt(0).toUpperCase()}${tag.slice(1)}\n\n| request | is | takes | role |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`,
  );
  return `# Endpoints

What the HTTP API is asked for, and the least role that may ask. Shapes in full: \`GET /v1/openapi.json\`, made from the schemas that
check requests; how to ask, streams and formats: [HTTP API](http.md).

This page is made from the routes themselves by \`test/cli/reference.test.ts\` (\`npx vitest run test/cli/reference.test.ts -u\`).

${sections.join('\n')}`;
}

function propertyNames(schema: z.ZodType | undefined): readonly string[] {
  if (schema === undefined) return [];
  const { properties, anyOf } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const all = [properties, ...(anyOf ?? []).map((one) => one.properties)];
  return [...new Set(all.flatMap((one) => Object.keys(one ?? {})))];
}
