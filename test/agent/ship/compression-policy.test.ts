import { expect, test } from 'vitest';
import {
  chooseCompression,
  type CompressionDecision,
  type CompressionFacts,
} from '../../../agent/ship/compression-policy.js';

/** Text of an application on one core, as measured. */
const levels = [
  { level: 1, msPerByte: 2.6e-6, ratio: 0.28 },
  { level: 3, msPerByte: 3.2e-6, ratio: 0.274 },
  { level: 6, msPerByte: 9.5e-6, ratio: 0.263 },
  { level: 9, msPerByte: 18.7e-6, ratio: 0.262 },
];

const facts: CompressionFacts = {
  levels,
  current: 0,
  linkBytesPerMs: undefined,
  otherMsPerByte: 1e-6,
  coresMax: 1,
  trial: 'open',
  isLittle: false,
};

const MBIT_100 = 12_500;

const cases: readonly {
  readonly when: string;
  readonly given: Partial<CompressionFacts>;
  readonly then: CompressionDecision;
}[] = [
  {
    when: 'nothing ever waited for the link',
    given: {},
    then: { level: 0, reason: 'link-outruns' },
  },
  {
    when: 'nothing ever waited and little is sent',
    given: { isLittle: true },
    then: { level: 3, reason: 'little' },
  },
  {
    when: 'the link takes 400 MB/s',
    given: { linkBytesPerMs: 400_000 },
    then: { level: 0, reason: 'link-outruns' },
  },
  {
    when: 'the link takes 1 Gbit/s: the weakest is as much as one thread makes',
    given: { linkBytesPerMs: 117_000 },
    then: { level: 1, reason: 'link-bound' },
  },
  {
    when: 'the link takes 100 Mbit/s: what is hardly slower and much cheaper is enough',
    given: { linkBytesPerMs: MBIT_100 },
    then: { level: 3, reason: 'link-bound' },
  },
  {
    when: 'the link takes 1 Gbit/s and the host has no processor to spare',
    given: { linkBytesPerMs: 117_000, coresMax: 0.25 },
    then: { level: 0, reason: 'host-busy' },
  },
  {
    when: 'the link takes 100 Mbit/s and the host has no processor to spare',
    given: { linkBytesPerMs: MBIT_100, coresMax: 0.13 },
    then: { level: 1, reason: 'link-bound' },
  },
  {
    when: 'the content does not become shorter',
    given: {
      linkBytesPerMs: MBIT_100,
      levels: levels.map((cost) => ({ ...cost, ratio: 0.98 })),
    },
    then: { level: 0, reason: 'link-outruns' },
  },
  {
    when: 'it was tried and nothing became faster',
    given: { linkBytesPerMs: 117_000, trial: 'in-vain' },
    then: { level: 0, reason: 'no-gain' },
  },
  {
    when: 'there is nothing to compare with, little or not',
    given: { linkBytesPerMs: 117_000, trial: 'unprepared', isLittle: true },
    then: { level: 0, reason: 'comparing' },
  },
  {
    when: 'the sending thread is slower than the link',
    given: { linkBytesPerMs: 117_000, otherMsPerByte: 9e-6 },
    then: { level: 0, reason: 'link-outruns' },
  },
];

test.each(cases)('compression: chosen from what was measured, where $when', ({ given, then }) => {
  expect(chooseCompression({ ...facts, ...given })).toEqual(then);
});

test('compression: stays as it is while another level gains next to nothing', () => {
  // between the speeds at which either is clearly better
  const around = [250_000, 260_000, 270_000, 280_000, 290_000, 300_000];
  const from = (current: number): number[] =>
    around.map((linkBytesPerMs) => chooseCompression({ ...facts, current, linkBytesPerMs }).level);
  expect(from(0).some((level, at) => level !== from(1)[at])).toBe(true);
  expect(from(0).at(-1)).toBe(0);
  expect(from(1)[0]).toBe(1);
});
