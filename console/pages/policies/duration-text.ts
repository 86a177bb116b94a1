/** Lengths of time as people write them into a field: `7d`, `36 h`, `90m`; months and years are not lengths. */

const unitsMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
type Unit = keyof typeof unitsMs;
const shown: readonly Unit[] = ['d', 'h', 'm', 's'];

/** Milliseconds; undefined for what is no length. A number alone counts days. */
export function parseDuration(text: string): number | undefined {
  const match = /^\s*(\d+(?:[.,]\d+)?)\s*([smhdw]?)\s*$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] === '' ? 'd' : (match[2] ?? 'd').toLowerCase()) as Unit;
  return Math.round(Number((match[1] ?? '').replace(',', '.')) * unitsMs[unit]);
}

/** As `parseDuration` reads it: the largest unit that leaves no rest. */
export function durationText(ms: number): string {
  for (const unit of shown) {
    if (ms >= unitsMs[unit] && ms % unitsMs[unit] === 0) return `${ms / unitsMs[unit]}${unit}`;
  }
  return `${ms / 1000}s`;
}
