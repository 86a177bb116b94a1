/** What an item of the timeline is, in words: beside the pointer, and for who hears it. */
import type { VNode } from 'preact';
import { ConsistencyMark } from '../../parts/marks.js';
import { formatBytes, formatCount, formatNumbered, formatTime } from '../../parts/format.js';
import { texts } from '../../texts.js';
import { lanes } from './timeline-draw.js';
import type { TimelineItem } from './timeline-items.js';

const TIP_WIDTH = 250;

export interface ItemTipProps {
  readonly item: TimelineItem;
  /** From here on a change stands out. */
  readonly burstBytes: number;
  /** CSS pixels from the left of the stage. */
  readonly x: number;
  readonly width: number;
}

export function ItemTip({ item, burstBytes, x, width }: ItemTipProps): VNode {
  const left = Math.max(
    0,
    Math.min(width - TIP_WIDTH, x < width / 2 ? x + 14 : x - TIP_WIDTH - 14),
  );
  return (
    <div class="item-tip" style={{ left: `${left}px`, width: `${TIP_WIDTH}px` }} aria-hidden="true">
      <p class="item-tip-title">{titleOf(item)}</p>
      <p>{whenOf(item)}</p>
      <p>{changeOf(item)}</p>
      {item.points === 1 ? (
        lanes
          .filter((lane) => item.consistency[lane] > 0)
          .map((lane) => (
            <p key={lane}>
              <ConsistencyMark of={lane} />
            </p>
          ))
      ) : (
        <p>{countsOf(item)}</p>
      )}
      {marksOf(item, burstBytes).length > 0 && (
        <p class="item-tip-marks">{marksOf(item, burstBytes).join(' · ')}</p>
      )}
    </div>
  );
}

/** One sentence with all facts. */
export function describeItem(item: TimelineItem, burstBytes: number): string {
  const { enterPicks, enterZooms } = texts.set.timeline;
  return [
    titleOf(item),
    whenOf(item),
    countsOf(item),
    changeOf(item),
    ...marksOf(item, burstBytes),
    item.point === undefined ? enterZooms : enterPicks,
  ].join(', ');
}

export function titleOf({ point, points, firstPoint, lastPoint }: TimelineItem): string {
  if (point !== undefined) return texts.words.point(point);
  const { range, points: counted } = texts.set.timeline;
  return `${range(firstPoint, lastPoint)} (${counted(formatCount(points))})`;
}

export function whenOf({ point, timeMs, fromMs, toMs }: TimelineItem): string {
  if (fromMs === toMs || point !== undefined) return formatTime(timeMs);
  return `${formatTime(fromMs)} – ${formatTime(toMs)}`;
}

export function changeOf({ points, changedBytes, changedNodes }: TimelineItem): string {
  const { changedAt, changedMost, nodes } = texts.set.timeline;
  const entries = formatNumbered(changedNodes, ...nodes);
  if (points === 1) return changedAt(formatBytes(changedBytes), entries);
  return `${entries}, ${changedMost(formatBytes(changedBytes))}`;
}

export function countsOf({ points, consistency }: TimelineItem): string {
  const there = lanes.filter((lane) => consistency[lane] > 0);
  if (points === 1) return there.map((lane) => texts.words.consistency[lane]).join('');
  return there
    .map((lane) =>
      texts.set.timeline.countOf(formatCount(consistency[lane]), texts.words.consistency[lane]),
    )
    .join(', ');
}

export function marksOf(item: TimelineItem, burstBytes: number): string[] {
  const { holds, flagged, healed, unreadable, changedBytes } = item;
  const words = texts.set.timeline;
  return [
    ...(flagged > 0 ? [words.flagged] : []),
    ...(changedBytes >= burstBytes ? [words.burst] : []),
    ...(holds > 0 ? [words.held] : []),
    ...(healed > 0 ? [words.healed] : []),
    ...(unreadable > 0 ? [words.unreadable] : []),
  ];
}
