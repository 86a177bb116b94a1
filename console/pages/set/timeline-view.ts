/** What stretch of time the timeline shows, and how it moves: pure. Times are ms since the epoch. */

export interface View {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

/** Nothing is to be seen between two points that are nearer. */
export const SPAN_MS_MIN = 2000;
/** Air at both ends of what can be shown. */
const AIR_SHARE = 0.02;
const AIR_MS_MIN = 1000;

/** All that can be shown of a set whose points lie from `firstMs` to `lastMs`. */
export function boundsOf(firstMs: number, lastMs: number): View {
  const air = Math.max(AIR_MS_MIN, (lastMs - firstMs) * AIR_SHARE);
  return { fromMs: Math.floor(firstMs - air), toMs: Math.ceil(lastMs + air) };
}

export function spanOf({ fromMs, toMs }: View): number {
  return toMs - fromMs;
}

/** The view moved and shrunk as little as needed to lie within `bounds`. */
export function within(view: View, bounds: View): View {
  const span = Math.min(Math.max(spanOf(view), SPAN_MS_MIN), spanOf(bounds));
  const fromMs = Math.min(Math.max(view.fromMs, bounds.fromMs), bounds.toMs - span);
  return { fromMs: Math.round(fromMs), toMs: Math.round(fromMs + span) };
}

/** `factor` below 1 shows less time; what is at `anchorMs` stays where it is. */
export function zoom(
  view: View,
  { factor, anchorMs, bounds }: { factor: number; anchorMs: number; bounds: View },
): View {
  const span = Math.min(Math.max(spanOf(view) * factor, SPAN_MS_MIN), spanOf(bounds));
  const share = (anchorMs - view.fromMs) / spanOf(view);
  const fromMs = anchorMs - span * share;
  return within({ fromMs, toMs: fromMs + span }, bounds);
}

/** Later by `byMs`, earlier when it is negative. */
export function pan(view: View, { byMs, bounds }: { byMs: number; bounds: View }): View {
  return within({ fromMs: view.fromMs + byMs, toMs: view.toMs + byMs }, bounds);
}

/** A view of the same length with `timeMs` at `share` of its width. */
export function centred(
  view: View,
  { timeMs, share, bounds }: { timeMs: number; share: number; bounds: View },
): View {
  const fromMs = timeMs - spanOf(view) * share;
  return within({ fromMs, toMs: fromMs + spanOf(view) }, bounds);
}

export function isSame(a: View, b: View): boolean {
  return a.fromMs === b.fromMs && a.toMs === b.toMs;
}

export interface Tick {
  readonly timeMs: number;
  readonly label: string;
  /** A new day begins, so the label says it. */
  readonly day: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const steps = [
  1000,
  5000,
  15_000,
  30_000,
  MINUTE_MS,
  5 * MINUTE_MS,
  15 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  7 * DAY_MS,
  14 * DAY_MS,
  30 * DAY_MS,
  91 * DAY_MS,
  182 * DAY_MS,
  365 * DAY_MS,
  5 * 365 * DAY_MS,
];
const TICKS_MAX = 60;

/** Round local times in the view, about one every `pixels` of `width`. */
export function ticksOf(view: View, { width, pixels }: { width: number; pixels: number }): Tick[] {
  const wanted = spanOf(view) / Math.max(1, width / pixels);
  const step = steps.find((one) => one >= wanted) ?? wanted;
  const start = new Date(view.fromMs);
  start.setHours(0, 0, 0, 0);
  // Whole days are counted from the first of the month where the steps are long.
  if (step >= 7 * DAY_MS) start.setDate(1);
  const ticks: Tick[] = [];
  let timeMs = start.getTime();
  while (timeMs < view.toMs && ticks.length < TICKS_MAX) {
    if (timeMs >= view.fromMs) ticks.push(tickAt(timeMs, step));
    timeMs = next(timeMs, step);
  }
  return ticks;
}

/** Days of 23 or 25 hours are days too. */
function next(timeMs: number, step: number): number {
  if (step < DAY_MS) return timeMs + step;
  const time = new Date(timeMs);
  if (step >= 365 * DAY_MS) time.setFullYear(time.getFullYear() + Math.round(step / 365 / DAY_MS));
  else if (step >= 30 * DAY_MS) time.setMonth(time.getMonth() + Math.round(step / 30 / DAY_MS));
  else time.setDate(time.getDate() + Math.round(step / DAY_MS));
  return time.getTime();
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function tickAt(timeMs: number, step: number): Tick {
  const time = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const midnight = time.getHours() === 0 && time.getMinutes() === 0 && time.getSeconds() === 0;
  const month = months[time.getMonth()] ?? '';
  const year = String(time.getFullYear());
  if (step >= 365 * DAY_MS) return { timeMs, label: year, day: true };
  if (step >= 30 * DAY_MS) {
    return { timeMs, label: time.getMonth() === 0 ? year : month, day: time.getMonth() === 0 };
  }
  if (midnight) return { timeMs, label: `${time.getDate()} ${month}`, day: true };
  const seconds = step < MINUTE_MS ? `:${two(time.getSeconds())}` : '';
  return {
    timeMs,
    label: `${two(time.getHours())}:${two(time.getMinutes())}${seconds}`,
    day: false,
  };
}
