import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { removals } from './removals.js';
import { mergeReport } from './report.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

describe('the table of rules and how each is taken out of the code', () => {
  it.each(
    removals.map((removal) => [`${removal.rule} without ${removal.without}`, removal] as const),
  )(
    '%s: what is taken out stands once in its file, and the test is there',
    (_, { file, find, put, test }) => {
      expect(read(file).split(find)).toHaveLength(2);
      expect(put).not.toBe(find);
      expect(existsSync(`${root}${test}`)).toBe(true);
    },
  );

  it('names every rule and every promise', () => {
    const named = new Set(removals.map(({ rule }) => rule));
    const rules = Array.from({ length: 28 }, (_, index) => `R${index + 1}`);
    const promises = Array.from({ length: 10 }, (_, index) => `P${index + 1}`);
    expect([...rules, ...promises].filter((rule) => !named.has(rule))).toEqual([]);
  });

  it('has a row for each in docs/rules.md, and none that went unnoticed', () => {
    const report = read('docs/rules.md');
    for (const { rule, without } of removals) expect(report).toContain(`| ${rule} | ${without} |`);
    expect(report).not.toContain('**nothing**');
  });

  it('keeps the rows of an earlier run beside those of a new one, in the order of the table', () => {
    const folder = mkdtempSync(join(tmpdir(), 'afterimage-rules-'));
    const path = join(folder, 'rules.md');
    const [first, second] = removals;
    if (first === undefined || second === undefined) throw new Error('the table is empty');
    mergeReport(path, [{ ...second, said: 'Error: a | b', commit: 'old' }]);
    mergeReport(path, [{ ...first, said: undefined, commit: 'new' }]);
    const rows = readFileSync(path, 'utf8').trim().split('\n').slice(-2);
    expect(rows[0]).toMatch(/\*\*nothing\*\* \| new \|$/);
    expect(rows[1]).toMatch(/Error: a \\\| b \| old \|$/);
    rmSync(folder, { recursive: true });
  });

  it('is run by a command', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(scripts['test:rules']).toContain('dist/test/rules/main.js');
    expect(existsSync(new URL('../../dist/test/rules/main.js', import.meta.url))).toBe(true);
  });
});
