/**
 * The keyboard's cursor on the timeline. It stands on an item; beyond the last one in sight the view
 * follows, and the cursor takes the next item as soon as the new stretch is there.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import { nearest, type TimelineItem } from './timeline-items.js';
import { centred, isSame, pan, spanOf, type View, zoom } from './timeline-view.js';

export interface KeysOptions {
  readonly items: readonly TimelineItem[];
  readonly view: View;
  readonly bounds: View;
  readonly onView: (view: View) => void;
  readonly onOpen: (item: TimelineItem) => void;
  readonly picked: { readonly point: number; readonly timeMs: number | undefined } | undefined;
}

export interface Keys {
  readonly cursor: TimelineItem | undefined;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  /** Called when the focus goes elsewhere. */
  readonly leave: () => void;
}

/** What the cursor waits for: the first item on one side of a time. */
type Wish = { readonly side: 'before' | 'after'; readonly timeMs: number };

export function useKeys(options: KeysOptions): Keys {
  const { items, view, bounds, onView, picked } = options;
  const [cursorMs, setCursorMs] = useState<number>();
  const wish = useRef<Wish | undefined>(undefined);
  const cursor = cursorMs === undefined ? undefined : nearest(items, cursorMs);

  useEffect(() => {
    const wanted = wish.current;
    if (wanted === undefined) return;
    const item = beside(items, wanted);
    if (item === undefined) return;
    wish.current = undefined;
    setCursorMs(item.timeMs);
  }, [items]);

  const step = (side: 'before' | 'after'): void => {
    const start = cursor?.timeMs ?? picked?.timeMs;
    if (start === undefined) {
      const item = side === 'before' ? items.at(-1) : items[0];
      if (item !== undefined) setCursorMs(item.timeMs);
      return;
    }
    const item = beside(items, { side, timeMs: start });
    if (item !== undefined && item.timeMs >= view.fromMs && item.timeMs < view.toMs) {
      setCursorMs(item.timeMs);
      return;
    }
    wish.current = { side, timeMs: start };
    const share = side === 'after' ? 0.2 : 0.8;
    onView(centred(view, { timeMs: item?.timeMs ?? start, share, bounds }));
  };

  const jump = (to: 'first' | 'last'): void => {
    const timeMs = to === 'first' ? bounds.fromMs : bounds.toMs;
    const next = centred(view, { timeMs, share: to === 'first' ? 0 : 1, bounds });
    const item = to === 'first' ? items[0] : items.at(-1);
    if (item !== undefined) setCursorMs(item.timeMs);
    // What is in sight already is not asked for again.
    if (isSame(next, view)) return;
    wish.current = { side: to === 'first' ? 'after' : 'before', timeMs };
    onView(next);
  };

  const zoomBy = (factor: number): void => {
    const anchorMs = cursor?.timeMs ?? picked?.timeMs ?? (view.fromMs + view.toMs) / 2;
    const inSight = anchorMs >= view.fromMs && anchorMs < view.toMs;
    const anchor = inSight ? anchorMs : (view.fromMs + view.toMs) / 2;
    onView(zoom(view, { factor, anchorMs: anchor, bounds }));
  };

  const acts: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => {
      step('before');
    },
    ArrowRight: () => {
      step('after');
    },
    Home: () => {
      jump('first');
    },
    End: () => {
      jump('last');
    },
    PageUp: () => {
      onView(pan(view, { byMs: -0.8 * spanOf(view), bounds }));
    },
    PageDown: () => {
      onView(pan(view, { byMs: 0.8 * spanOf(view), bounds }));
    },
    '+': () => {
      zoomBy(0.5);
    },
    '=': () => {
      zoomBy(0.5);
    },
    '-': () => {
      zoomBy(2);
    },
    '0': () => {
      onView(bounds);
    },
    Enter: () => {
      if (cursor !== undefined) options.onOpen(cursor);
    },
    ' ': () => {
      if (cursor !== undefined) options.onOpen(cursor);
    },
    Escape: () => {
      setCursorMs(undefined);
    },
  };

  return {
    cursor,
    onKeyDown: (event) => {
      const act = acts[event.key];
      if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      // Another key is another wish.
      wish.current = undefined;
      act();
    },
    leave: () => {
      wish.current = undefined;
      setCursorMs(undefined);
    },
  };
}

function beside(items: readonly TimelineItem[], { side, timeMs }: Wish): TimelineItem | undefined {
  return side === 'after'
    ? items.find((item) => item.timeMs > timeMs)
    : items.findLast((item) => item.timeMs < timeMs);
}
