import { describe, expect, it } from 'vitest';
import {
  formatPointSelector,
  parsePointSelector,
  parseSetPoint,
  selectPoint,
} from '../../shared/point-selector.js';

const points = [
  { point: 3, timeMs: Date.UTC(2031, 4, 1, 10, 0, 0, 500) },
  { point: 4, timeMs: Date.UTC(2031, 4, 1, 11, 0, 0, 500) },
  { point: 7, timeMs: Date.UTC(2031, 4, 2, 9, 30, 0, 250) },
];

describe('point selector', () => {
  it.each([
    ['3', 3],
    ['7', 7],
    ['latest', 7],
    ['latest~0', 7],
    ['latest~2', 3],
    ['2031-05-01T10:30Z', 3],
    ['2031-05-01T11:00:00Z', 4],
    ['2031-05-01T11:00:00.499Z', 3],
    ['2031-05-01T11:00:00.5Z', 4],
    ['2031-05-01T13:00:00+02:00', 4],
    ['2031-05-01T13:00:00+0200', 4],
    ['2031-05-01 05:59:59.000-05:00', 3],
    ['2039-01-01', 7],
  ])('%s: chooses point %i', (text, point) => {
    expect(selectPoint(parsePointSelector(text), points).point).toBe(point);
  });

  it.each(['5', 'latest~3', '2031-04-30T00:00Z', '0'])('%s: is not found', (text) => {
    expect(() => selectPoint(parsePointSelector(text), points)).toThrow(
      expect.objectContaining({ code: 'not-found' }) as Error,
    );
  });

  it.each(['', 'newest', 'latest~', '-1', '1.5', '2031-02-29', '2031-13-01', '2031-05-01T24:00'])(
    '%j: is refused as an argument',
    (text) => {
      expect(() => parsePointSelector(text)).toThrow(
        expect.objectContaining({ code: 'argument-invalid' }) as Error,
      );
    },
  );

  it('time without a zone: is local time', () => {
    expect(parsePointSelector('2031-05-04T13:30')).toEqual({
      type: 'time',
      timeMs: new Date(2031, 4, 4, 13, 30).getTime(),
    });
  });

  it.each(['12', 'latest', 'latest~4', '2031-05-04T13:30:01.250Z'])(
    '%s: its form for the API reads back as the same choice',
    (text) => {
      const selector = parsePointSelector(text);
      expect(parsePointSelector(formatPointSelector(selector))).toEqual(selector);
    },
  );

  it('SET@POINT: splits at the last @, and refuses what lacks a part', () => {
    expect(parseSetPoint('shop@latest~1')).toEqual({
      set: 'shop',
      selector: { type: 'latest', back: 1 },
    });
    for (const text of ['shop', 'shop@', '@3', '']) {
      expect(() => parseSetPoint(text)).toThrow(
        expect.objectContaining({ code: 'argument-invalid' }) as Error,
      );
    }
  });
});
