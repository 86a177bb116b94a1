import { describe, expect, test } from 'vitest';
import { quantile, summarise } from '../../bench/summary.js';

const rounds = [10, 2, 9];

describe('summary of rounds', () => {
  test('figure: is the median, with least and greatest, and promises nothing unless told', () => {
    expect(summarise({ name: 'a', unit: 'ms', rounds })).toEqual({
      name: 'a',
      value: 9,
      unit: 'ms',
      rounds: [2, 9, 10],
      against: '',
      target: 'report',
      met: null,
    });
  });

  test.each([
    [{ atMost: 9 }, '≤ 9', true],
    [{ atMost: 8.9 }, '≤ 8.9', false],
    [{ atLeast: 9 }, '≥ 9', true],
    [{ atLeast: 9.1 }, '≥ 9.1', false],
    [{ atLeast: 1, atMost: 3 }, '≥ 1 and ≤ 3', false],
  ])('figure: is held to %j by its median', (promised, target, met) => {
    expect(summarise({ name: 'a', unit: 'ms', rounds }, promised)).toMatchObject({ target, met });
  });

  test('figure: is refused when nothing was measured', () => {
    expect(() => summarise({ name: 'a', unit: 'ms', rounds: [] })).toThrow('never measured');
  });

  test('quantile: is the least value that at most the share lies below', () => {
    const sorted = Array.from({ length: 100 }, (_, index) => index);
    expect([0, 0.5, 0.99, 1].map((share) => quantile(sorted, share))).toEqual([0, 50, 99, 99]);
  });
});
