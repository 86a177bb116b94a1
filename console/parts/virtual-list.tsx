/**
 * A list of any length of which only the rows in sight, and a few around them, are in the page. It is
 * one stop for the keyboard: arrows, Page Up and Down, Home and End move the active row.
 */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface VirtualListProps {
  readonly label: string;
  readonly count: number;
  /** Of every row, in CSS pixels. */
  readonly rowHeight: number;
  /** The inside of a row; with role `grid` its children are gridcells. */
  readonly row: (index: number) => ComponentChildren;
  readonly rowClass?: (index: number) => string;
  /** Stays with the same thing while rows are added before it. */
  readonly rowKey: (index: number) => string | number;
  readonly active: number;
  readonly onActive: (index: number) => void;
  /** Rows that are marked as selected; none for a list without selection. */
  readonly selected?: (index: number) => boolean;
  readonly onKey?: (event: KeyboardEvent) => void;
  /** Called when the last rows come into sight. */
  readonly onEnd?: () => void;
  /** Takes the keyboard when it appears: for a list that follows one that was left by a key. */
  readonly focus?: 'take' | 'leave';
  /** Head of the grid: a row of columnheaders. */
  readonly head?: ComponentChildren;
}

/** Rows around those in sight. */
const AROUND = 8;
/** `onEnd` is called so many rows before the end. */
const END_ROWS = 100;
/** Of the head, as the style sheet has it. */
const HEAD_HEIGHT = 32;

export function VirtualList(props: VirtualListProps): VNode {
  const { label, count, rowHeight, active } = props;
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [sight, setSight] = useState({ top: 0, height: 600 });
  const headHeight = props.head === undefined ? 0 : HEAD_HEIGHT;

  const look = (): void => {
    const element = scroller.current;
    if (element === null) return;
    setSight((last) =>
      last.top === element.scrollTop && last.height === element.clientHeight
        ? last
        : { top: element.scrollTop, height: element.clientHeight },
    );
  };

  useLayoutEffect(() => {
    look();
    const element = scroller.current;
    if (element === null) return undefined;
    if (props.focus === 'take') element.focus({ preventScroll: true });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null || count === 0) return;
    const top = active * rowHeight;
    const room = element.clientHeight - headHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + room) element.scrollTop = top + rowHeight - room;
  }, [active, count === 0]);

  const first = Math.max(0, Math.floor(sight.top / rowHeight) - AROUND);
  const end = Math.min(count, Math.ceil((sight.top + sight.height) / rowHeight) + AROUND);
  const { onEnd } = props;
  useEffect(() => {
    if (end >= count - END_ROWS) onEnd?.();
  }, [end, count, onEnd]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor((sight.height - headHeight) / rowHeight) - 1);
    const next = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: count - 1,
    }[event.key];
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) {
      props.onKey?.(event);
      return;
    }
    event.preventDefault();
    props.onActive(Math.max(0, Math.min(count - 1, next)));
  };

  const rows: VNode[] = [];
  for (let index = first; index < end; index += 1) {
    rows.push(
      <div
        key={props.rowKey(index)}
        id={`${id}-${index}`}
        role="row"
        aria-rowindex={index + 2}
        {...(props.selected === undefined ? {} : { 'aria-selected': props.selected(index) })}
        class={`virtual-row ${index === active ? 'active' : ''} ${props.rowClass?.(index) ?? ''}`}
        style={{ height: `${rowHeight}px`, top: `${index * rowHeight}px` }}
      >
        {props.row(index)}
      </div>,
    );
  }

  return (
    <div
      class="virtual-list"
      ref={scroller}
      onScroll={look}
      role="grid"
      aria-label={label}
      aria-rowcount={count + 1}
      {...(props.selected === undefined ? {} : { 'aria-multiselectable': true })}
      {...(count > 0 && active >= first && active < end
        ? { 'aria-activedescendant': `${id}-${active}` }
        : {})}
      style={{ '--list-height': `${count * rowHeight + headHeight + 2}px` }}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      {props.head !== undefined && (
        <div role="row" aria-rowindex={1} class="virtual-head">
          {props.head}
        </div>
      )}
      <div class="virtual-rows" role="rowgroup" style={{ height: `${count * rowHeight}px` }}>
        {rows}
      </div>
    </div>
  );
}
