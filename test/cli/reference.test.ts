import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createProgram, verbNames } from '../../cli/program.js';
import { catalogue, ExitCode } from '../../shared/errors.js';

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

describe('docs/reference/http.md', () => {
  it('endpoints: are exactly those that the server registers', () => {
    const folder = 'replica/serve/routes';
    const sources = [
      ...readdirSync(join(root, folder)).map((name) => read(`${folder}/${name}`)),
      read('replica/serve/server.ts'),
    ];
    const registered = sources.flatMap((source) =>
      [...source.matchAll(/app\.(get|post)(?:<.*?>)?\(\s*'(\/v1\/[^']*)'/gs)].map(
        (match) => `${(match[1] ?? '').toUpperCase()} ${match[2] ?? ''}`,
      ),
    );
    const documented = [...read('docs/reference/http.md').matchAll(/`(GET|POST) (\/v1\/[^?`]*)/g)];
    expect(documented.map((match) => `${match[1] ?? ''} ${match[2] ?? ''}`).sort()).toEqual(
      registered.sort(),
    );
    expect(registered.length).toBeGreaterThan(10);
  });
});
