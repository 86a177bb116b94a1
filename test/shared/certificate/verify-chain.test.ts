/** What an auditor finds in an export with nothing but a public key (R26). */
import { describe, expect, test } from 'vitest';
import type { ExportLine, Signed } from '../../../shared/certificate/certificate.js';
import type { PointRanges } from '../../../shared/certificate/facts.js';
import { type ChainProblem, ChainVerifier } from '../../../shared/certificate/verify-chain.js';
import { generateSigningKey } from '../../../shared/seal/signing-key.js';
import { Chain, key, nextKey, pointFacts, removal } from './support/chain.js';

const foreignKey = generateSigningKey();

function verify(
  lines: readonly (ExportLine | string)[],
  options: { readonly key?: string; readonly heads?: readonly string[] } = {},
): ChainProblem[] {
  const verifier = new ChainVerifier({ key: key.publicKey, ...options });
  for (const line of lines) verifier.take(typeof line === 'string' ? line : JSON.stringify(line));
  return [...verifier.end().problems];
}

const kinds = (problems: readonly ChainProblem[]): string[] => [
  ...new Set(problems.map(({ problem }) => problem)),
];

describe('an export that nobody touched (R26)', () => {
  test('points, removals, checks: all holds, and the verdict counts them', () => {
    const chain = Chain.ofPoints(5)
      .add(removal([[1, 2]]))
      .add({ kind: 'check', check: 'data', points: [[3, 5]], timeMs: 1, findings: 0 });
    const verifier = new ChainVerifier({ key: key.publicKey });
    for (const line of chain.lines([[3, 5]])) verifier.take(JSON.stringify(line));
    expect(verifier.end()).toEqual({
      set: 'shop',
      entries: 7,
      certified: 5,
      removed: 2,
      head: chain.headDigest,
      writtenMs: 9,
      damagedChecks: [],
      problems: [],
    });
  });

  test('a set without points: all holds', () => {
    expect(verify(new Chain().lines([]))).toEqual([]);
  });

  test('points that wait for their certificates: are no gap', () => {
    const due = { points: [[4, 4]] as PointRanges, removed: [[2, 2]] as PointRanges };
    expect(
      verify(
        Chain.ofPoints(3).lines(
          [
            [1, 1],
            [3, 4],
          ],
          { due },
        ),
      ),
    ).toEqual([]);
  });
});

describe('an export that somebody touched (R26)', () => {
  const whole = Chain.ofPoints(6)
    .add(removal([[2, 3]]))
    .lines([
      [1, 1],
      [4, 6],
    ]);
  const entryAt = (sequence: number): number => sequence;
  const without = (sequence: number): ExportLine[] => whole.filter((_, at) => at !== sequence);
  /** Changes the text of an entry; the signature stays. */
  function altered(sequence: number, from: string, to: string): ExportLine[] {
    return whole.map((line, at) => {
      if (at !== entryAt(sequence) || line.type !== 'entry') return line;
      expect(line.text).toContain(from);
      return { ...line, text: line.text.replace(from, to) };
    });
  }

  test('the untouched one: holds, so that what follows is found for its own sake', () => {
    expect(verify(whole)).toEqual([]);
  });

  test.each([1, 3, 6, 7])('entry %i removed: is found', (sequence) => {
    const problems = verify(without(sequence));
    const after = sequence === 7 ? 'end' : 'order';
    expect(kinds(problems)).toContain(after);
    if (sequence < 7) {
      expect(problems[0]?.message).toBe(`entry ${sequence} is missing before it`);
    }
  });

  test('several entries removed: are named', () => {
    const lines = whole.filter((_, at) => at < 2 || at > 5);
    expect(verify(lines)[0]).toMatchObject({
      problem: 'order',
      point: 6,
      message: 'entries 2 to 5 are missing before it',
    });
  });

  test.each([
    ['a digest', 4, pointFacts(4).digest, pointFacts(5).digest],
    ['a time', 1, '"timeMs":1000', '"timeMs":1001'],
    ['a consistency', 2, '"crash"', '"application"'],
    ['who removed', 7, 'schedule', 'somebody'],
  ])('%s altered: is found, with its entry', (_what, sequence, from, to) => {
    const problems = verify(altered(sequence, from, to));
    expect(problems[0]).toMatchObject({ problem: 'altered', sequence });
    // The digest of the altered one is not what the next names.
    expect(kinds(problems)).toContain(sequence === 7 ? 'end' : 'order');
  });

  test('a signature altered: is found', () => {
    const lines = whole.map((line, at) => {
      const other = whole[4];
      if (at !== 3 || line.type !== 'entry' || other?.type !== 'entry') return line;
      return { ...line, signature: other.signature };
    });
    expect(verify(lines)).toMatchObject([{ problem: 'altered', sequence: 3, point: 3 }]);
  });

  test('two entries swapped: is found', () => {
    const lines = [...whole];
    lines.splice(3, 2, ...whole.slice(4, 5), ...whole.slice(3, 4));
    expect(kinds(verify(lines))).toContain('order');
  });

  test('an entry twice: is found', () => {
    const problems = verify(whole.flatMap((line, at) => (at === 3 ? [line, line] : [line])));
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(/is there twice/);
  });

  test('an entry replaced by one that was signed too: does not follow', () => {
    const other = Chain.ofPoints(2).add({ ...pointFacts(3), digest: 'a'.repeat(64) });
    const replaced = other.entries.at(-1);
    const lines = whole.map((line, at): ExportLine =>
      at === 3 && replaced !== undefined ? { type: 'entry', ...replaced } : line,
    );
    expect(verify(lines)).toMatchObject([{ problem: 'order', sequence: 4, point: 4 }]);
  });

  test('lines that are none: are counted, and the rest is still verified', () => {
    const problems = verify(['', 'nonsense', '{"type":"entry"}', ...whole, '{"type":"other"}']);
    expect(problems.map(({ problem }) => problem)).toEqual(Array(4).fill('malformed'));
  });

  test('a set that was renamed: is found', () => {
    const lines = whole.map((line) => (line.type === 'set' ? { ...line, set: 'other' } : line));
    expect(kinds(verify(lines))).toEqual(['malformed']);
  });
});

describe('a chain that was cut off (R26)', () => {
  const whole = Chain.ofPoints(4);
  const early = Chain.ofPoints(2);

  test('without its head: is found', () => {
    expect(kinds(verify(whole.lines([[1, 4]]).slice(0, -1)))).toEqual(['end']);
  });

  test('entries taken from the end, the head kept: is found', () => {
    const lines = whole.lines([[1, 4]]);
    expect(kinds(verify([...lines.slice(0, 3), ...lines.slice(-1)]))).toEqual(['end']);
  });

  test('an export of an earlier time: holds by itself, and not against a head seen since', () => {
    const lines = early.lines([[1, 2]]);
    expect(verify(lines)).toEqual([]);
    expect(verify(lines, { heads: [early.headDigest] })).toEqual([]);
    const problems = verify(lines, { heads: [whole.headDigest] });
    expect(problems).toMatchObject([{ problem: 'end' }]);
  });

  test('a later export: still has the heads seen before', () => {
    expect(early.entries.map(({ text }) => text)).toEqual(
      whole.entries.slice(0, 2).map(({ text }) => text),
    );
    expect(verify(whole.lines([[1, 4]]), { heads: [early.headDigest] })).toEqual([]);
  });
});

describe('points that are gone, or new, without a word (R26)', () => {
  test.each<[string, Chain, PointRanges, object[]]>([
    [
      'gone without a removal',
      Chain.ofPoints(4),
      [
        [1, 1],
        [3, 4],
      ],
      [{ point: 2, message: 'is gone, and no policy removed it' }],
    ],
    [
      'there in spite of a removal',
      Chain.ofPoints(4).add(removal([[2, 2]])),
      [[1, 4]],
      [{ point: 2, message: 'exists, although it was removed' }],
    ],
    [
      'there without a certificate',
      Chain.ofPoints(2),
      [[1, 4]],
      [{ point: 3, message: 'and those up to 4 are there, but never certified' }],
    ],
    [
      'removed twice',
      Chain.ofPoints(3)
        .add(removal([[1, 1]]))
        .add(removal([[1, 1]])),
      [[2, 3]],
      [{ point: 1, sequence: 5, message: 'is removed a second time' }],
    ],
    [
      'removed, never certified',
      Chain.ofPoints(2).add(removal([[2, 9]])),
      [[1, 1]],
      [{ point: 3, message: 'and those up to 9 are removed, but never certified before' }],
    ],
    [
      'certified with a gap before',
      Chain.ofPoints(2).add(pointFacts(5)),
      [[1, 5]],
      [{ point: 5, sequence: 3 }, { point: 3 }],
    ],
    [
      'certified twice',
      Chain.ofPoints(3).add(pointFacts(3)),
      [[1, 3]],
      [{ point: 3, sequence: 4 }],
    ],
  ])('%s: is found', (_what, chain, points, problems) => {
    expect(verify(chain.lines(points))).toMatchObject(
      problems.map((problem) => ({ problem: 'points', ...problem })),
    );
  });
});

describe('keys of a chain (R23, R26)', () => {
  const rotated = new Chain().add(pointFacts(1)).changeKey().add(pointFacts(2));

  test('a replaced key: the old one and the new one verify all of it', () => {
    for (const { publicKey } of [key, nextKey]) {
      expect(verify(rotated.lines([[1, 2]]), { key: publicKey })).toEqual([]);
    }
  });

  test('another key than the one given: is found', () => {
    const lines = rotated.lines([[1, 2]]);
    expect(kinds(verify(lines, { key: foreignKey.publicKey }))).toEqual(['key']);
  });

  test('a key that nobody signed over to: is found at its first entry', () => {
    const chain = Chain.ofPoints(2).signWith(foreignKey).add(pointFacts(3));
    expect(verify(chain.lines([[1, 3]]))).toMatchObject([{ problem: 'key', point: 3 }]);
  });

  test('a takeover that the new key did not sign: is found', () => {
    const lines = rotated.lines([[1, 2]]).map((line): ExportLine => {
      if (line.type !== 'entry') return line;
      return { type: 'entry', text: line.text, signature: line.signature };
    });
    expect(kinds(verify(lines))).toEqual(['altered']);
  });

  test('a chain that goes on with the old key after it was replaced: is found with the new one', () => {
    const forked = new Chain().add(pointFacts(1)).add(pointFacts(2));
    const lines = forked.lines([[1, 2]]);
    expect(kinds(verify(lines, { key: nextKey.publicKey }))).toEqual(['key']);
    const withSteps = [...lines.slice(0, 1), ...rotated.lines([]).slice(1, 2), ...lines.slice(1)];
    expect(kinds(verify(withSteps, { key: nextKey.publicKey }))).toEqual(['key']);
    expect(kinds(verify(withSteps))).toEqual(['key']);
  });

  test('steps between keys: vouch for a chain that began later, unless altered', () => {
    const later = new Chain(nextKey).add(pointFacts(1));
    const step = rotated.steps[0];
    if (step === undefined) throw new Error('no step');
    const lines = (line: Signed): ExportLine[] => {
      const [first, ...rest] = later.lines([[1, 1]]);
      return first === undefined ? [] : [first, { type: 'key', ...line }, ...rest];
    };
    expect(verify(lines(step))).toEqual([]);
    const altered = { ...step, text: step.text.replace('"timeMs":1', '"timeMs":2') };
    expect(kinds(verify(lines(altered)))).toEqual(['altered', 'key']);
    expect(kinds(verify(later.lines([[1, 1]])))).toEqual(['key']);
  });

  test('what is no key: is refused before anything is read', () => {
    expect(() => new ChainVerifier({ key: 'nonsense' })).toThrow(/32 bytes/);
  });
});
