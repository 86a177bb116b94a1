/**
 * Draws the timeline on a canvas: bars of bytes changed on a log scale, one lane a consistency (place
 * and shape tell them apart, colour repeats it), holds and alarms above, time below.
 */
import type { Consistency } from '../../parts/marks.js';
import { formatBytes } from '../../parts/format.js';
import type { TimelineItem } from './timeline-items.js';
import { spanOf, ticksOf, type View } from './timeline-view.js';

export interface TimelineColours {
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly surface: string;
  readonly accent: string;
  readonly bar: string;
  readonly burst: string;
  readonly alarm: string;
  readonly hold: string;
  readonly lanes: Readonly<Record<Consistency, string>>;
  readonly font: string;
}

export interface Drawing {
  readonly view: View;
  readonly items: readonly TimelineItem[];
  /** CSS pixels. */
  readonly width: number;
  /** Bytes at the top of the scale. */
  readonly bytesMax: number;
  /** From here on a bar stands out. */
  readonly burstBytes: number;
  readonly colours: TimelineColours;
  readonly laneNames: Readonly<Record<Consistency, string>>;
  /** Time of the item under the pointer or the keyboard's cursor. */
  readonly cursor: TimelineItem | undefined;
  /** The picked point, and its time if it is known. */
  readonly pickedMs: number | undefined;
}

export const lanes: readonly Consistency[] = ['application', 'filesystem', 'crash'];
export const TIMELINE_HEIGHT = 250;
const MARKS_TOP = 4;
const BARS_TOP = 26;
const BARS_BOTTOM = 142;
const LANES_TOP = 152;
const LANE = 22;
const LANES_BOTTOM = LANES_TOP + 3 * LANE;
const AXIS = LANES_BOTTOM + 6;
const NARROW = 560;
/** Bytes at the foot of the scale, as a power of two. */
const POWER_MIN = 6;

/** Where time begins, CSS pixels from the left. */
export function gutterOf(width: number): number {
  return width < NARROW ? 52 : 104;
}

export function xOf(timeMs: number, { view, width }: Pick<Drawing, 'view' | 'width'>): number {
  const gutter = gutterOf(width);
  return gutter + ((timeMs - view.fromMs) / spanOf(view)) * (width - gutter);
}

export function timeAt(x: number, { view, width }: Pick<Drawing, 'view' | 'width'>): number {
  const gutter = gutterOf(width);
  return view.fromMs + ((x - gutter) / (width - gutter)) * spanOf(view);
}

/** Share of the scale's height, 0 to 1. */
export function heightOf(bytes: number, bytesMax: number): number {
  if (bytes <= 0) return 0;
  const top = Math.max(14, Math.log2(bytesMax + 1));
  return Math.min(1, Math.max(0.03, (Math.log2(bytes + 1) - POWER_MIN) / (top - POWER_MIN)));
}

export function drawTimeline(context: CanvasRenderingContext2D, drawing: Drawing): void {
  const { width, colours } = drawing;
  context.clearRect(0, 0, width, TIMELINE_HEIGHT);
  context.font = `11px ${colours.font}`;
  context.textBaseline = 'middle';
  drawScale(context, drawing);
  drawLanes(context, drawing);
  drawAxis(context, drawing);
  context.save();
  context.beginPath();
  context.rect(gutterOf(width) - 6, 0, width, TIMELINE_HEIGHT);
  context.clip();
  drawLine(context, drawing, { timeMs: drawing.pickedMs, kind: 'picked' });
  drawLine(context, drawing, { timeMs: drawing.cursor?.timeMs, kind: 'cursor' });
  for (const item of drawing.items) drawBar(context, drawing, item);
  for (const item of drawing.items) drawInLanes(context, drawing, item);
  for (const item of drawing.items) drawMarks(context, drawing, item);
  context.restore();
}

function drawScale(context: CanvasRenderingContext2D, { width, bytesMax, colours }: Drawing): void {
  const gutter = gutterOf(width);
  context.textAlign = 'right';
  context.lineWidth = 1;
  for (const power of [10, 20, 30, 40]) {
    const bytes = 2 ** power;
    if (bytes > Math.max(bytesMax, 2 ** 14)) continue;
    const y = crisp(barTop(bytes, bytesMax));
    stroke(context, { colour: colours.line, from: [gutter, y], to: [width, y] });
    context.fillStyle = colours.muted;
    context.fillText(formatBytes(bytes).replace('.0', ''), gutter - 8, y);
  }
  const foot = crisp(BARS_BOTTOM);
  stroke(context, { colour: colours.line, from: [gutter, foot], to: [width, foot] });
}

function drawLanes(context: CanvasRenderingContext2D, drawing: Drawing): void {
  const { width, colours, laneNames } = drawing;
  const gutter = gutterOf(width);
  for (const [index, lane] of lanes.entries()) {
    const y = laneY(index);
    stroke(context, { colour: colours.line, from: [gutter, crisp(y)], to: [width, crisp(y)] });
    drawShape(context, { lane, x: width < NARROW ? gutter - 14 : 10, y, size: 4.5, colours });
    if (width < NARROW) continue;
    context.textAlign = 'left';
    context.fillStyle = colours.muted;
    context.fillText(laneNames[lane], 21, y);
  }
}

function drawAxis(context: CanvasRenderingContext2D, drawing: Drawing): void {
  const { view, width, colours } = drawing;
  const gutter = gutterOf(width);
  context.textAlign = 'center';
  for (const { timeMs, label, day } of ticksOf(view, { width: width - gutter, pixels: 84 })) {
    const x = crisp(xOf(timeMs, drawing));
    const colour = colours.line;
    stroke(context, { colour, from: [x, BARS_TOP], to: [x, AXIS] });
    context.fillStyle = day ? colours.ink : colours.muted;
    const half = context.measureText(label).width / 2;
    context.fillText(label, Math.min(Math.max(x, gutter + half - 6), width - half), AXIS + 12);
  }
}

function drawLine(
  context: CanvasRenderingContext2D,
  drawing: Drawing,
  { timeMs, kind }: { readonly timeMs: number | undefined; readonly kind: 'picked' | 'cursor' },
): void {
  if (timeMs === undefined) return;
  const { colours } = drawing;
  const x = crisp(xOf(timeMs, drawing));
  if (kind === 'picked') {
    context.globalAlpha = 0.14;
    context.fillStyle = colours.accent;
    context.fillRect(x - 6, BARS_TOP - 8, 12, AXIS - BARS_TOP + 8);
    context.globalAlpha = 1;
  }
  context.lineWidth = kind === 'picked' ? 2 : 1;
  const colour = kind === 'picked' ? colours.accent : colours.muted;
  stroke(context, { colour, from: [x, BARS_TOP - 8], to: [x, AXIS] });
  context.lineWidth = 1;
}

function drawBar(context: CanvasRenderingContext2D, drawing: Drawing, item: TimelineItem): void {
  const { colours, bytesMax } = drawing;
  if (item.changedBytes <= 0) return;
  const burst = isBurst(drawing, item);
  const { x, width } = spread(drawing, item, { least: burst ? 4 : 3, gap: 1 });
  const top = barTop(item.changedBytes, bytesMax);
  context.fillStyle = burst ? colours.burst : colours.bar;
  context.fillRect(x, top, width, BARS_BOTTOM - top);
  if (!burst) return;
  // Besides its colour: a cap, wider than the bar.
  context.fillRect(x - 3, top - 2, width + 6, 3);
}

function isBurst({ burstBytes }: Drawing, { flagged, changedBytes }: TimelineItem): boolean {
  return flagged > 0 || changedBytes >= burstBytes;
}

function drawInLanes(
  context: CanvasRenderingContext2D,
  drawing: Drawing,
  item: TimelineItem,
): void {
  const { colours } = drawing;
  for (const [index, lane] of lanes.entries()) {
    const count = item.consistency[lane];
    if (count === 0) continue;
    const y = laneY(index);
    if (count === 1 && item.points === 1) {
      const x = xOf(item.timeMs, drawing);
      drawShape(context, { lane, x, y, size: item === drawing.cursor ? 6.5 : 4.5, colours });
      continue;
    }
    // Many points: a block whose height tells how many, in steps of ten.
    const { x, width } = spread(drawing, item, { least: 2, gap: 0.5 });
    const height = Math.min(LANE - 4, 5 + 4.5 * Math.log10(count));
    context.fillStyle = colours.lanes[lane];
    context.fillRect(x, y - height / 2, width, height);
  }
}

function drawMarks(context: CanvasRenderingContext2D, drawing: Drawing, item: TimelineItem): void {
  const { colours } = drawing;
  const x = Math.round(xOf(item.timeMs, drawing));
  let y = MARKS_TOP;
  if (item.flagged > 0) {
    drawAlarm(context, { x, y, colours });
    y += 14;
  }
  if (item.holds > 0) drawHold(context, { x, y, colours });
}

interface MarkAt {
  readonly x: number;
  readonly y: number;
  readonly colours: TimelineColours;
}

function drawAlarm(context: CanvasRenderingContext2D, { x, y, colours }: MarkAt): void {
  context.fillStyle = colours.alarm;
  polygon(context, [
    [x, y],
    [x + 7, y + 12],
    [x - 7, y + 12],
  ]);
  context.fillStyle = colours.surface;
  context.fillRect(x - 0.75, y + 4, 1.5, 4);
  context.fillRect(x - 0.75, y + 9, 1.5, 1.5);
}

/** A padlock. */
function drawHold(context: CanvasRenderingContext2D, { x, y, colours }: MarkAt): void {
  context.fillStyle = colours.hold;
  context.fillRect(x - 4.5, y + 5, 9, 7);
  context.strokeStyle = colours.hold;
  context.lineWidth = 1.6;
  context.beginPath();
  context.arc(x, y + 5, 2.8, Math.PI, 0);
  context.stroke();
  context.lineWidth = 1;
}

interface ShapeAt extends MarkAt {
  readonly lane: Consistency;
  /** Half of its width. */
  readonly size: number;
}

function drawShape(context: CanvasRenderingContext2D, at: ShapeAt): void {
  const { lane, x, y, size, colours } = at;
  context.fillStyle = colours.lanes[lane];
  if (lane === 'application') {
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fill();
  } else if (lane === 'filesystem') {
    const far = size * 1.2;
    polygon(context, [
      [x, y - far],
      [x + far, y],
      [x, y + far],
      [x - far, y],
    ]);
  } else {
    polygon(context, [
      [x, y - size * 1.2],
      [x + size * 1.2, y + size],
      [x - size * 1.2, y + size],
    ]);
  }
}

/** The bar or block of an item: over its stretch, or of one width around its point. */
function spread(
  drawing: Drawing,
  item: TimelineItem,
  { least, gap }: { readonly least: number; readonly gap: number },
): { readonly x: number; readonly width: number } {
  const from = xOf(item.fromMs, drawing);
  const width = Math.max(least, xOf(item.toMs, drawing) - from - gap);
  if (item.fromMs === item.toMs) return { x: from - least / 2, width: least };
  return { x: from, width };
}

function barTop(bytes: number, bytesMax: number): number {
  return BARS_BOTTOM - heightOf(bytes, bytesMax) * (BARS_BOTTOM - BARS_TOP);
}

function laneY(index: number): number {
  return LANES_TOP + index * LANE + LANE / 2;
}

/** The middle of a pixel, so that lines of one pixel are one pixel. */
function crisp(value: number): number {
  return Math.round(value) + 0.5;
}

type Place = readonly [number, number];

function stroke(
  context: CanvasRenderingContext2D,
  { colour, from, to }: { readonly colour: string; readonly from: Place; readonly to: Place },
): void {
  context.strokeStyle = colour;
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

function polygon(context: CanvasRenderingContext2D, places: readonly Place[]): void {
  context.beginPath();
  for (const [x, y] of places) context.lineTo(x, y);
  context.closePath();
  context.fill();
}
