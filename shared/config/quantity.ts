/** Lengths of time and numbers of bytes as an operator writes them: `15m`, `64 MiB`. */
import { z } from 'zod';

const msOf: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const bytesOf: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** A duration with its unit, in milliseconds. */
export function duration(bounds: Bounds = {}): z.ZodType<number, string> {
  return z
    .string()
    .transform((text, context) => {
      const value = quantity(text, msOf);
      if (value !== undefined && within(value, bounds)) return value;
      context.addIssue({
        code: 'custom',
        message: `a duration such as 500ms, 30s or 15m${said(bounds, 'ms')}`,
      });
      return z.NEVER;
    })
    .meta({ type: 'duration' });
}

/** A number of bytes, or text with a unit. */
export function byteCount(bounds: Bounds = {}): z.ZodType<number, string | number> {
  return z
    .union([z.string(), z.number()])
    .transform((given, context) => {
      const value = typeof given === 'number' ? given : quantity(given, bytesOf);
      if (value !== undefined && Number.isSafeInteger(value) && within(value, bounds)) return value;
      context.addIssue({
        code: 'custom',
        message: `a number of bytes such as 1048576 or 64 MiB${said(bounds, 'bytes')}`,
      });
      return z.NEVER;
    })
    .meta({ type: 'bytes' });
}

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(text);
  const unit = match?.[2] === undefined ? undefined : units[match[2]];
  return unit === undefined ? undefined : Math.round(Number(match?.[1]) * unit);
}

function within(value: number, { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds): boolean {
  return value >= min && value <= max;
}

function said({ min, max }: Bounds, unit: string): string {
  if (min !== undefined && max !== undefined) return ` between ${min} and ${max} ${unit}`;
  if (min !== undefined) return ` of at least ${min} ${unit}`;
  return max === undefined ? '' : ` of at most ${max} ${unit}`;
}
