/** docs/rules.md: one row a removal, in the order of the table; rows not run again stay. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Removal } from './removal.js';
import { removals } from './removals.js';

export interface Row extends Removal {
  /** What the test said; undefined when it noticed nothing. */
  readonly said: string | undefined;
  readonly commit: string;
}

const HEAD = `# Rules, and the tests that hold them

Written by \`npm run test:rules\`. Each row is a run: the rule was taken out of the code, and the test
named was run without it. R1 to R28 are the rules, P1 to P10 the promises (ARCHITECTURE.md).

| | without | in | the test | said | at |
|---|---|---|---|---|---|
`;

export function mergeReport(path: string, rows: readonly Row[]): void {
  const known = new Map<string, string>();
  if (existsSync(path)) {
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const key = keyOfLine(line);
      if (key !== undefined) known.set(key, line);
    }
  }
  for (const row of rows) known.set(keyOf(row), lineOf(row));
  const lines = removals.flatMap((removal) => known.get(keyOf(removal)) ?? []);
  writeFileSync(path, `${HEAD}${lines.join('\n')}\n`);
}

function keyOf({ rule, without }: Removal): string {
  return `| ${rule} | ${without} |`;
}

function keyOfLine(line: string): string | undefined {
  return /^\| [RP]\d+ \| [^|]* \|/.exec(line)?.[0];
}

function lineOf(row: Row): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const said = row.said === undefined ? '**nothing**' : cell(row.said).replaceAll('`', "'");
  return `${keyOf(row)} \`${row.file}\` | \`${row.test}\` | ${said} | ${row.commit} |`;
}
