/** Makes a figure of the rounds' values: least, median, greatest, and whether a promise is kept. */
import type { Figure } from './figure.js';

/** What a median is held to. */
export interface Promised {
  readonly against?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface Measured {
  readonly name: string;
  readonly unit: string;
  /** One value a round, in no order. */
  readonly rounds: readonly number[];
}

/** Throws for no rounds at all: there is nothing to report then. */
export function summarise(measured: Measured, promised: Promised = {}): Figure {
  const { name, unit, rounds } = measured;
  const sorted = [...rounds].sort((a, b) => a - b);
  const [least, value, greatest] = [sorted[0], quantile(sorted, 0.5), sorted.at(-1)];
  if (least === undefined || greatest === undefined) throw new Error(`${name} was never measured`);
  const { against = '', atMost, atLeast } = promised;
  const bounds = [
    ...(atLeast === undefined ? [] : [{ text: `≥ ${atLeast}`, kept: value >= atLeast }]),
    ...(atMost === undefined ? [] : [{ text: `≤ ${atMost}`, kept: value <= atMost }]),
  ];
  return {
    name,
    value,
    unit,
    rounds: [least, value, greatest],
    against,
    target: bounds.length === 0 ? 'report' : bounds.map(({ text }) => text).join(' and '),
    met: bounds.length === 0 ? null : bounds.every(({ kept }) => kept),
  };
}

/** The value that a share of the sorted values does not exceed; NaN of none. */
export function quantile(sorted: readonly number[], share: number): number {
  const index = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return sorted[index] ?? NaN;
}
