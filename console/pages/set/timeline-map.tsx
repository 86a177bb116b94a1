/** The whole timeline in small, with the stretch in sight marked: drag or click to move there. */
import type { VNode } from 'preact';
import { useCallback, useRef, useState } from 'preact/hooks';
import { Canvas, type Paint } from '../../parts/canvas.js';
import { texts } from '../../texts.js';
import { gutterOf, heightOf } from './timeline-draw.js';
import type { TimelineItem } from './timeline-items.js';
import { centred, spanOf, type View } from './timeline-view.js';

export interface TimelineMapProps {
  readonly items: readonly TimelineItem[];
  readonly view: View;
  readonly bounds: View;
  readonly bytesMax: number;
  readonly burstBytes: number;
  readonly onView: (view: View) => void;
}

const HEIGHT = 34;

export function TimelineMap(props: TimelineMapProps): VNode {
  const { items, view, bounds, bytesMax, burstBytes, onView } = props;
  const stage = useRef<HTMLDivElement>(null);
  const [dragging, setDragging] = useState<'no' | 'yes'>('no');
  const draw = useCallback(
    (context: CanvasRenderingContext2D, { width, colour }: Paint) => {
      const gutter = gutterOf(width);
      const xOf = (ms: number): number =>
        gutter + ((ms - bounds.fromMs) / spanOf(bounds)) * (width - gutter);
      context.clearRect(0, 0, width, HEIGHT);
      context.fillStyle = colour('--sunken');
      context.fillRect(gutter, 0, width - gutter, HEIGHT);
      for (const item of items) {
        const height = Math.max(2, heightOf(item.changedBytes, bytesMax) * (HEIGHT - 6));
        const burst = item.flagged > 0 || item.changedBytes >= burstBytes;
        context.fillStyle = colour(burst ? '--bar-strong' : '--bar');
        const x = xOf(item.fromMs);
        context.fillRect(x, HEIGHT - height, Math.max(1.5, xOf(item.toMs) - x - 0.5), height);
      }
      const from = xOf(view.fromMs);
      const length = Math.max(4, xOf(view.toMs) - from);
      context.fillStyle = colour('--accent');
      context.globalAlpha = 0.12;
      context.fillRect(from, 0, length, HEIGHT);
      context.globalAlpha = 1;
      context.strokeStyle = colour('--accent');
      context.lineWidth = 1.5;
      context.strokeRect(from + 0.75, 0.75, length - 1.5, HEIGHT - 1.5);
    },
    [items, view.fromMs, view.toMs, bounds.fromMs, bounds.toMs, bytesMax, burstBytes],
  );

  const move = (event: PointerEvent): void => {
    const element = stage.current;
    if (element === null) return;
    const { left, width } = element.getBoundingClientRect();
    const gutter = gutterOf(width);
    const share = (event.clientX - left - gutter) / (width - gutter);
    const timeMs = bounds.fromMs + share * spanOf(bounds);
    onView(centred(view, { timeMs, share: 0.5, bounds }));
  };

  return (
    <div
      ref={stage}
      class="timeline-map"
      title={texts.set.timeline.map}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setDragging('yes');
        move(event);
      }}
      onPointerMove={(event) => {
        if (dragging === 'yes') move(event);
      }}
      onPointerUp={() => {
        setDragging('no');
      }}
      onPointerCancel={() => {
        setDragging('no');
      }}
    >
      <Canvas height={HEIGHT} draw={draw} />
    </div>
  );
}
