/** Wheel, drag and pinch on the timeline. One finger still scrolls the page up and down. */
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { pan, spanOf, type View, zoom } from './timeline-view.js';

export interface Gestures {
  readonly view: View;
  readonly bounds: View;
  readonly onView: (view: View) => void;
  /** The time at CSS pixels from the left of the stage. */
  readonly timeAt: (x: number) => number;
  readonly onHover: (timeMs: number | undefined) => void;
  readonly onPress: (timeMs: number) => void;
}

/** A press that moves further is a drag. */
const DRAG_PIXELS = 5;
const WHEEL_SHARE = 0.0016;

export function useGestures(stage: RefObject<HTMLElement | null>, gestures: Gestures): void {
  const now = useRef(gestures);
  now.current = gestures;
  useEffect(() => {
    const element = stage.current;
    if (element === null) return undefined;
    const hand = new Hand(element, now);
    const listen = { wheel: hand.wheel, pointerdown: hand.down, pointermove: hand.move } as const;
    element.addEventListener('wheel', listen.wheel, { passive: false });
    element.addEventListener('pointerdown', listen.pointerdown);
    element.addEventListener('pointermove', listen.pointermove);
    element.addEventListener('pointerup', hand.up);
    element.addEventListener('pointercancel', hand.cancel);
    element.addEventListener('pointerleave', hand.leave);
    return () => {
      element.removeEventListener('wheel', listen.wheel);
      element.removeEventListener('pointerdown', listen.pointerdown);
      element.removeEventListener('pointermove', listen.pointermove);
      element.removeEventListener('pointerup', hand.up);
      element.removeEventListener('pointercancel', hand.cancel);
      element.removeEventListener('pointerleave', hand.leave);
    };
  }, [stage]);
}

class Hand {
  readonly #element: HTMLElement;
  readonly #now: { readonly current: Gestures };
  /** Pixels from the left, by pointer. */
  readonly #pointers = new Map<number, number>();
  #pressedAt = 0;
  #state: 'idle' | 'pressed' | 'dragging' | 'pinching' = 'idle';

  constructor(element: HTMLElement, now: { readonly current: Gestures }) {
    this.#element = element;
    this.#now = now;
  }

  readonly wheel = (event: WheelEvent): void => {
    event.preventDefault();
    const { view, bounds, onView, timeAt } = this.#now.current;
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      onView(pan(view, { byMs: sideways * this.#msOfPixel(), bounds }));
      return;
    }
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    const factor = Math.exp(Math.max(-200, Math.min(200, event.deltaY * lines)) * WHEEL_SHARE);
    onView(zoom(view, { factor, anchorMs: timeAt(this.#x(event)), bounds }));
  };

  readonly down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const x = this.#x(event);
    this.#pointers.set(event.pointerId, x);
    this.#pressedAt = x;
    this.#state = this.#pointers.size > 1 ? 'pinching' : 'pressed';
    this.#element.setPointerCapture(event.pointerId);
  };

  readonly move = (event: PointerEvent): void => {
    const x = this.#x(event);
    const { onHover, timeAt } = this.#now.current;
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) {
      onHover(timeAt(x));
      return;
    }
    if (this.#state === 'pressed' && Math.abs(x - this.#pressedAt) > DRAG_PIXELS) {
      this.#state = 'dragging';
    }
    if (this.#state === 'dragging') {
      const { view, bounds, onView } = this.#now.current;
      onView(pan(view, { byMs: (before - x) * this.#msOfPixel(), bounds }));
    }
    if (this.#state === 'pinching') this.#pinch(event.pointerId, { before, x });
    if (this.#state !== 'pressed') this.#pointers.set(event.pointerId, x);
  };

  readonly up = (event: PointerEvent): void => {
    const pressed = this.#state === 'pressed';
    this.#release(event);
    if (pressed) this.#now.current.onPress(this.#now.current.timeAt(this.#x(event)));
  };

  readonly cancel = (event: PointerEvent): void => {
    this.#release(event);
  };

  readonly leave = (): void => {
    this.#now.current.onHover(undefined);
  };

  #release({ pointerId }: PointerEvent): void {
    this.#pointers.delete(pointerId);
    // The finger that stays goes on dragging; it must not pick what it rests on.
    this.#state = this.#pointers.size === 0 ? 'idle' : 'dragging';
  }

  #pinch(pointer: number, { before, x }: { readonly before: number; readonly x: number }): void {
    const other = [...this.#pointers].find(([id]) => id !== pointer)?.[1];
    if (other === undefined) return;
    const { view, bounds, onView, timeAt } = this.#now.current;
    const factor = Math.max(8, Math.abs(before - other)) / Math.max(8, Math.abs(x - other));
    onView(zoom(view, { factor, anchorMs: timeAt((x + other) / 2), bounds }));
  }

  #x(event: MouseEvent): number {
    return event.clientX - this.#element.getBoundingClientRect().left;
  }

  #msOfPixel(): number {
    return spanOf(this.#now.current.view) / Math.max(1, this.#element.clientWidth);
  }
}
