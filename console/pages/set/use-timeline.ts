/** Asks for the timeline: all of it once, and the stretch in sight whenever it rests. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { TimelineAnswer } from '../../../shared/api/timeline.js';
import { getJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { type Answer, useAnswer } from '../../api/use-answer.js';
import { at } from '../../shell/router.js';
import { itemsOf, type TimelineItem } from './timeline-items.js';
import type { View } from './timeline-view.js';

export const MAP_BUCKETS = 300;
const BUCKETS_MAX = 500;
/** Pixels of a bucket. */
const BUCKET_PIXELS = 5;
const REST_MS = 90;

/** The whole timeline, asked for again when the set gets a point. */
export function useWholeTimeline(set: string): Answer<TimelineAnswer> {
  const whole = useAnswer((signal) => askTimeline(set, { buckets: MAP_BUCKETS, signal }), [set]);
  useEvents((event) => {
    if (event.name === 'point' && event.data.set === set) whole.reload();
  });
  return whole;
}

export function askTimeline(
  set: string,
  {
    view,
    buckets,
    signal,
  }: { readonly view?: View; readonly buckets: number; readonly signal: AbortSignal },
): Promise<TimelineAnswer> {
  const query = { from: view?.fromMs, to: view?.toMs, buckets };
  return getJson<TimelineAnswer>(at`/v1/sets/${set}/timeline`, { query, signal });
}

/** Items of the stretch in sight; the last ones until new ones come. `of` is what they were asked for. */
export function useItems(
  set: string,
  {
    view,
    width,
    whole,
  }: { readonly view: View; readonly width: number; readonly whole: TimelineAnswer },
): {
  readonly items: readonly TimelineItem[];
  readonly of: View | undefined;
  readonly inRange: number;
} {
  const resting = useResting(view);
  const buckets = Math.min(BUCKETS_MAX, Math.max(20, Math.floor(width / BUCKET_PIXELS)));
  const [last, setLast] = useState<{ answer: TimelineAnswer; of: View }>();
  const answer = useAnswer(
    (signal) => askTimeline(set, { view: resting, buckets, signal }),
    [set, resting.fromMs, resting.toMs, width === 0 ? 0 : buckets, whole.total, whole.lastMs],
  );
  const now = answer.state === 'ready' ? answer.value : undefined;
  useEffect(() => {
    if (now !== undefined) setLast({ answer: now, of: { fromMs: now.fromMs, toMs: now.toMs } });
  }, [now]);
  const shown = last?.answer ?? whole;
  const items = useMemo(() => itemsOf(shown), [shown]);
  return { items, of: last?.of, inRange: shown.inRange };
}

/** The view once it has not moved for a moment. */
function useResting(view: View): View {
  const [resting, setResting] = useState(view);
  useEffect(() => {
    const timer = setTimeout(() => {
      setResting(view);
    }, REST_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [view.fromMs, view.toMs]);
  return resting;
}
