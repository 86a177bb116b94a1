/**
 * The timeline of a set: wheel, drag, pinch and keys move it; the pointer or the keyboard's cursor
 * tells of a point, a click or Enter picks it. A stretch of many points is opened instead.
 */
import type { VNode } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Canvas, type Paint } from '../../parts/canvas.js';
import { Empty } from '../../parts/states.js';
import { texts } from '../../texts.js';
import { describeItem, ItemTip } from './item-tip.js';
import { drawTimeline, TIMELINE_HEIGHT, timeAt, xOf } from './timeline-draw.js';
import { nearest, type TimelineItem } from './timeline-items.js';
import { useKeys } from './timeline-keys.js';
import { useGestures } from './timeline-gestures.js';
import type { View } from './timeline-view.js';

export interface TimelineProps {
  readonly items: readonly TimelineItem[];
  readonly view: View;
  readonly bounds: View;
  readonly onView: (view: View) => void;
  readonly onPick: (point: number) => void;
  readonly onWidth: (width: number) => void;
  readonly picked: { readonly point: number; readonly timeMs: number | undefined } | undefined;
  /** Bytes at the top of the scale, over the whole timeline. */
  readonly bytesMax: number;
  readonly burstBytes: number;
  /** Newest point of the set. */
  readonly newest: number;
}

/** Pixels from an item at which the pointer still means it. */
const REACH = 14;

export function Timeline(props: TimelineProps): VNode {
  const { items, view, bounds, onView, onPick, picked, bytesMax, burstBytes } = props;
  const stage = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [hoverMs, setHoverMs] = useState<number>();
  const frame = { view, width };

  const open = (item: TimelineItem): void => {
    if (item.point !== undefined) onPick(item.point);
    else onView({ fromMs: item.fromMs, toMs: Math.max(item.toMs, item.fromMs + 1000) });
  };
  const keys = useKeys({ items, view, bounds, onView, onOpen: open, picked });
  const hovered = hoverMs === undefined ? undefined : itemAt(items, hoverMs, frame);
  const cursor = hovered ?? keys.cursor;

  useGestures(stage, {
    view,
    bounds,
    onView,
    timeAt: (x) => timeAt(x, frame),
    onHover: (timeMs) => {
      setHoverMs(timeMs);
    },
    onPress: (timeMs) => {
      const item = itemAt(items, timeMs, frame);
      if (item !== undefined) open(item);
    },
  });

  const draw = useCallback(
    (context: CanvasRenderingContext2D, paint: Paint) => {
      drawTimeline(context, {
        view,
        items,
        width: paint.width,
        bytesMax,
        burstBytes,
        colours: coloursOf(paint),
        laneNames: texts.words.consistency,
        cursor,
        pickedMs: picked?.timeMs,
      });
    },
    [view.fromMs, view.toMs, items, bytesMax, burstBytes, cursor, picked?.timeMs],
  );
  const { onWidth } = props;
  const measure = useCallback(
    (now: number) => {
      setWidth(now);
      onWidth(now);
    },
    [onWidth],
  );
  const told = useMemo(
    () => (keys.cursor === undefined ? '' : describeItem(keys.cursor, burstBytes)),
    [keys.cursor, burstBytes],
  );
  useEffect(() => {
    setHoverMs(undefined);
  }, [view.fromMs, view.toMs]);

  return (
    <div class="timeline">
      <div
        ref={stage}
        class="timeline-stage"
        role="slider"
        tabIndex={0}
        aria-label={texts.set.timeline.label}
        aria-description={texts.set.timeline.keys}
        aria-valuemin={1}
        aria-valuemax={props.newest}
        aria-valuenow={keys.cursor?.lastPoint ?? picked?.point ?? props.newest}
        aria-valuetext={told === '' ? texts.set.timeline.keys : told}
        onKeyDown={keys.onKeyDown}
        onBlur={keys.leave}
      >
        <Canvas height={TIMELINE_HEIGHT} draw={draw} onWidth={measure} />
        {cursor !== undefined && width > 0 && (
          <ItemTip
            item={cursor}
            burstBytes={burstBytes}
            x={xOf(cursor.timeMs, frame)}
            width={width}
          />
        )}
      </div>
      {items.length === 0 && <Empty title={texts.set.timeline.nothing} />}
    </div>
  );
}

function itemAt(
  items: readonly TimelineItem[],
  timeMs: number,
  frame: { readonly view: View; readonly width: number },
): TimelineItem | undefined {
  const over = items.find(({ fromMs, toMs }) => fromMs <= timeMs && timeMs < toMs);
  if (over !== undefined) return over;
  const near = nearest(items, timeMs);
  if (near === undefined) return undefined;
  return Math.abs(xOf(near.timeMs, frame) - xOf(timeMs, frame)) <= REACH ? near : undefined;
}

function coloursOf({ colour, font }: Paint): Parameters<typeof drawTimeline>[1]['colours'] {
  return {
    ink: colour('--ink-2'),
    muted: colour('--ink-3'),
    line: colour('--line'),
    surface: colour('--surface'),
    accent: colour('--accent'),
    bar: colour('--bar'),
    burst: colour('--bar-strong'),
    alarm: colour('--bad'),
    hold: colour('--ink-2'),
    lanes: {
      application: colour('--application'),
      filesystem: colour('--filesystem'),
      crash: colour('--crash'),
    },
    font,
  };
}
