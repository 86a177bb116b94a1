/** A comparison of texts turns the one into the other, and no pair of texts holds the thread. */
import { expect, test } from 'vitest';
import { diffLines, LINES_MAX, splitLines } from '../../../replica/history/text-diff.js';
import type { TextDiffAnswer } from '../../../shared/api/text-diff.js';
import { Seeded } from '../../support/seeded.js';

const seed = Number(process.env['SEED'] ?? 21);

/** What patching the lines gives; throws where a hunk does not fit. */
function patched(from: readonly string[], hunks: TextDiffAnswer['hunks']): string[] {
  const out: string[] = [];
  let at = 0;
  for (const hunk of hunks) {
    out.push(...from.slice(at, hunk.fromLine - 1));
    at = hunk.fromLine - 1;
    expect(out.length).toBe(hunk.toLine - 1);
    for (const line of hunk.lines) {
      const text = line.noNewline === true ? line.text : `${line.text}\n`;
      if (line.type !== 'added') {
        expect(line.from).toBe(at + 1);
        expect(from[at]).toBe(text);
        at += 1;
      }
      if (line.type !== 'removed') {
        out.push(text);
        expect(line.to).toBe(out.length);
      }
    }
    expect(hunk.lines.filter(({ from: line }) => line !== null)).toHaveLength(hunk.fromLines);
    expect(hunk.lines.filter(({ to: line }) => line !== null)).toHaveLength(hunk.toLines);
  }
  return [...out, ...from.slice(at)];
}

test(`text comparison: its hunks turn the one text into the other (seed ${seed})`, async () => {
  const random = new Seeded(seed);
  const words = ['', 'a', 'b', 'long line of text', '}', 'ä'];
  let [differing, several] = [0, 0];
  for (let round = 0; round < 300; round += 1) {
    const made = (): string[] => Array.from({ length: random.below(60) }, () => random.pick(words));
    const base = made();
    const other = random.chance(0.3)
      ? made()
      : base.flatMap((line) => (random.chance(0.1) ? [] : random.chance(0.1) ? [line, 'x'] : line));
    const [from, to] = [base, other].map((lines) =>
      splitLines(lines.join('\n') + (random.chance(0.5) ? '\n' : '')),
    ) as [string[], string[]];
    const context = random.below(4);
    const found = await diffLines(from, to, { context });
    expect(patched(from, found.hunks)).toEqual(to);
    expect(found.result).toBe(from.join('') === to.join('') ? 'same' : 'differs');
    const kinds = found.hunks.flatMap(({ lines }) => lines.map(({ type }) => type));
    expect(kinds.filter((type) => type === 'added')).toHaveLength(found.added);
    expect(kinds.filter((type) => type === 'removed')).toHaveLength(found.removed);
    for (const { lines } of found.hunks) {
      expect(lines.findIndex(({ type }) => type !== 'same')).toBeLessThanOrEqual(context);
    }
    differing += found.result === 'differs' ? 1 : 0;
    several += found.hunks.length > 1 ? 1 : 0;
  }
  expect(differing).toBeGreaterThan(100);
  expect(several).toBeGreaterThan(20);
});

test('texts made to take long: are given up in time, and others go on meanwhile', async () => {
  const random = new Seeded(seed);
  const made = (): string[] => Array.from({ length: 40_000 }, () => `${random.below(1000)}\n`);
  const [from, to] = [made(), made()];
  let turns = 0;
  const ticking = setInterval(() => (turns += 1), 5);
  const startMs = performance.now();
  const found = await diffLines(from, to, { context: 3, timeoutMs: 300 });
  clearInterval(ticking);
  expect(found).toMatchObject({ result: 'gave-up', hunks: [] });
  expect(performance.now() - startMs).toBeLessThan(3000);
  expect(turns).toBeGreaterThan(5);
});

test('very many changes: are counted, and shown as far as the bound', async () => {
  const from = Array.from({ length: 30_000 }, (_, at) => `a${at}\n`);
  const found = await diffLines([], from, { context: 3 });
  expect(found).toMatchObject({ result: 'differs', added: 30_000, removed: 0, truncated: true });
  expect(found.hunks.flatMap(({ lines }) => lines)).toHaveLength(20_000);
});

test('texts that have few lines in common: are compared at once, however long', async () => {
  const made = (salt: string): string[] =>
    Array.from({ length: 20_000 }, (_, at) => (at % 1000 === 0 ? `${at}\n` : `${salt}${at}\n`));
  const found = await diffLines(made('a'), made('b'), { context: 0, timeoutMs: 1 });
  expect(found).toMatchObject({ result: 'differs', added: 19_980, removed: 19_980 });
  expect(found.hunks).toHaveLength(20);
});

test('texts of as many lines as are compared: others go on meanwhile', async () => {
  const lines = Array.from({ length: LINES_MAX }, (_, at) => `${at} ${'text '.repeat(4)}\n`);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    turn = setImmediate(count);
  };
  let turn = setImmediate(count);
  await diffLines(lines, lines.slice(1), { context: 3 });
  clearImmediate(turn);
  expect(turns).toBeGreaterThanOrEqual(3);
});
