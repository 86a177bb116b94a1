/** A canvas as sharp as the screen, as wide as its place, drawn anew when colours or size change. */
import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { systemDark, theme } from '../shell/theme.js';

export interface CanvasProps {
  /** CSS pixels. */
  readonly height: number;
  /** Called with a context in CSS pixels whenever anything that it reads has changed. */
  readonly draw: (context: CanvasRenderingContext2D, paint: Paint) => void;
  readonly onWidth?: (width: number) => void;
  readonly class?: string;
}

export interface Paint {
  readonly width: number;
  /** A colour of the style sheet: `--accent`. */
  readonly colour: (name: string) => string;
  readonly font: string;
}

/** It says nothing to who does not see it: what it shows is told beside it. */
export function Canvas({ height, draw, onWidth, class: className = '' }: CanvasProps): VNode {
  const element = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  // Read here so that another theme draws anew.
  const dark = theme.value === 'system' ? systemDark.value : theme.value === 'dark';

  useLayoutEffect(() => {
    const canvas = element.current;
    if (canvas === null) return undefined;
    const measure = (): void => {
      setWidth(canvas.clientWidth);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(canvas);
    measure();
    return () => {
      observer.disconnect();
    };
  }, []);

  useEffect(() => {
    if (width > 0) onWidth?.(width);
  }, [width, onWidth]);

  useLayoutEffect(() => {
    const canvas = element.current;
    const context = canvas?.getContext('2d');
    if (canvas === null || context == null || width === 0) return undefined;
    const frame = requestAnimationFrame(() => {
      const ratio = window.devicePixelRatio;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      context.scale(ratio, ratio);
      const { fontFamily } = getComputedStyle(canvas);
      draw(context, { width, colour: (name) => resolved(canvas, name), font: fontFamily });
    });
    return () => {
      cancelAnimationFrame(frame);
    };
  }, [draw, width, height, dark]);

  return (
    <canvas
      ref={element}
      class={`canvas ${className}`}
      aria-hidden="true"
      style={{ height: `${height}px` }}
    />
  );
}

/** The browser resolves light-dark() only where a colour is used, and a transition would delay that. */
function resolved(canvas: HTMLCanvasElement, name: string): string {
  canvas.style.transition = 'none';
  canvas.style.color = `var(${name})`;
  const { color } = getComputedStyle(canvas);
  canvas.style.color = '';
  return color;
}
