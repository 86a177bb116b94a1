/** Reads option values; a wrong one is a usage error. */
import { InvalidArgumentError } from 'commander';

export function parseCount(text: string): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value > 0) return value;
  throw new InvalidArgumentError('give a whole number above 0.');
}

/** Bytes of a file, first and last included; what is left out runs to the file's start or end. */
export interface AskedRange {
  readonly first: number | undefined;
  readonly last: number | undefined;
}

/** `A-B`, `A-` or `-N` for the last N bytes. */
export function parseByteRange(text: string): AskedRange {
  const match = /^(\d{0,15})-(\d{0,15})$/.exec(text);
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? ''];
  const reversed = first !== '' && last !== '' && Number(last) < Number(first);
  if (match === null || (first === '' && last === '') || reversed) {
    throw new InvalidArgumentError('give first-last, first- or -count, in bytes.');
  }
  return {
    first: first === '' ? undefined : Number(first),
    last: last === '' ? undefined : Number(last),
  };
}

/** The bytes that are there. */
export function applyRange(
  range: AskedRange | undefined,
  size: number,
): { readonly offset: number; readonly length: number } {
  if (range === undefined) return { offset: 0, length: size };
  if (range.first === undefined) {
    const length = Math.min(size, range.last ?? 0);
    return { offset: size - length, length };
  }
  const offset = Math.min(size, range.first);
  const end = range.last === undefined ? size : Math.min(size, range.last + 1);
  return { offset, length: Math.max(0, end - offset) };
}

const durationMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** A length of time such as `90s`, `15m`, `12h`, `7d` or `4w`, in ms. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9})([smhdw])$/.exec(text);
  const value = Number(match?.[1]) * (durationMs[match?.[2] ?? ''] ?? NaN);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('give a length of time such as 90s, 15m, 12h, 7d or 4w.');
}
