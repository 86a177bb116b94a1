/** Small marks that say a state in shape, colour and word; never in colour alone. */
import type { ComponentChildren, VNode } from 'preact';
import type { PointJson } from '../../shared/api/points.js';
import { texts } from '../texts.js';
import { formatRough, formatTime } from './format.js';

export type Tone = 'good' | 'warn' | 'bad' | 'calm' | 'busy';

export interface MarkProps {
  readonly tone: Tone;
  readonly title?: string;
  readonly children: ComponentChildren;
}

/** A word on a ground of its tone. */
export function Mark({ tone, title, children }: MarkProps): VNode {
  return (
    <span class={`mark ${tone}`} {...(title === undefined ? {} : { title })}>
      {children}
    </span>
  );
}

export type Consistency = PointJson['consistency'];

/** The shapes of the timeline: disc for application, diamond for filesystem, triangle for crash. */
export function ConsistencyMark({ of }: { readonly of: Consistency }): VNode {
  return (
    <span class={`consistency ${of}`} title={texts.words.consistencyMeaning[of]}>
      <ConsistencyShape of={of} />
      {texts.words.consistency[of]}
    </span>
  );
}

export function ConsistencyShape({ of }: { readonly of: Consistency }): VNode {
  return (
    <svg class={`shape ${of}`} viewBox="0 0 12 12" aria-hidden="true" focusable="false">
      <path d={shapes[of]} />
    </svg>
  );
}

const shapes: Readonly<Record<Consistency, string>> = {
  application: 'M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z',
  filesystem: 'M6 .8 11.2 6 6 11.2.8 6z',
  crash: 'M6 1.2 11.4 10.6H.6z',
};

/** `12 min ago`, with the exact time as title. `nowMs` is the replica's clock where it is known. */
export function Ago({ timeMs, nowMs }: { readonly timeMs: number; readonly nowMs: number }): VNode {
  return (
    <time dateTime={new Date(timeMs).toISOString()} title={formatTime(timeMs)}>
      {texts.words.ago(formatRough(Math.max(0, nowMs - timeMs)))}
    </time>
  );
}
