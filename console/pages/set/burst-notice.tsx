/**
 * Says where the set changed far more than it usually does, and which point is the last one before
 * that: what an operator looks for on the worst day.
 */
import type { VNode } from 'preact';
import type { TimelineAnswer } from '../../../shared/api/timeline.js';
import { useAnswer } from '../../api/use-answer.js';
import { Button, LinkButton } from '../../parts/button.js';
import { formatBytes, formatNumbered, formatTime } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { compareLink } from '../../shell/links.js';
import { texts } from '../../texts.js';
import { itemsOf, lastBurst, type TimelineItem } from './timeline-items.js';
import { askTimeline } from './use-timeline.js';

export interface BurstNoticeProps {
  readonly set: string;
  readonly whole: TimelineAnswer;
  readonly onPick: (point: number) => void;
}

interface Burst {
  readonly item: TimelineItem;
  readonly point: number;
  /** The point before; undefined when it is not kept. */
  readonly before: number | undefined;
}

export function BurstNotice({ set, whole, onPick }: BurstNoticeProps): VNode | null {
  const found = lastBurst(itemsOf(whole));
  const burst = useAnswer(
    (signal) => narrow(set, { item: found, signal }),
    [set, found?.firstPoint, found?.lastPoint],
  );
  if (burst.state !== 'ready' || burst.value === undefined) return null;
  const { item, point, before } = burst.value;
  const words = texts.set.burst;
  return (
    <section class="burst" aria-label={words.title(point)}>
      <Icon name="alarm" />
      <div>
        <h2>{item.flagged > 0 ? words.flaggedTitle(point) : words.title(point)}</h2>
        <p>
          {words.text(
            formatBytes(item.changedBytes),
            formatNumbered(item.changedNodes, ...texts.set.timeline.nodes),
            formatTime(item.timeMs),
          )}
        </p>
      </div>
      <div class="row">
        {before !== undefined && (
          <>
            <Button
              kind="primary"
              onClick={() => {
                onPick(before);
              }}
            >
              {words.pick(before)}
            </Button>
            <LinkButton href={compareLink(set, { from: before, to: point })}>
              {words.compare}
            </LinkButton>
          </>
        )}
        <Button
          onClick={() => {
            onPick(point);
          }}
        >
          {words.show}
        </Button>
      </div>
    </section>
  );
}

/** Halves at most so many times: a stretch of 100,000 points has one of them after three. */
const NARROWINGS_MAX = 8;
const BUCKETS = 100;

/** The single point of a stretch that changed the most, or has the alarm, and the one before it. */
async function narrow(
  set: string,
  { item, signal }: { readonly item: TimelineItem | undefined; readonly signal: AbortSignal },
): Promise<Burst | undefined> {
  if (item === undefined) return undefined;
  let found = item;
  for (let times = 0; found.point === undefined && times < NARROWINGS_MAX; times += 1) {
    const view = { fromMs: Math.floor(found.fromMs), toMs: Math.ceil(found.toMs) };
    const items = itemsOf(await askTimeline(set, { view, buckets: BUCKETS, signal }));
    const worst = items.reduce<TimelineItem | undefined>(
      (a, b) => (a === undefined || weight(b) > weight(a) ? b : a),
      undefined,
    );
    if (worst === undefined) return undefined;
    found = worst;
  }
  const { point } = found;
  if (point === undefined) return undefined;
  const until = Math.ceil(found.timeMs);
  const span = 366 * 86_400_000;
  const view = { fromMs: Math.max(0, until - span), toMs: until };
  const earlier = itemsOf(await askTimeline(set, { view, buckets: BUCKETS, signal }));
  const before = earlier.findLast(({ lastPoint }) => lastPoint < point)?.lastPoint;
  return { item: found, point, before };
}

function weight({ flagged, changedBytes }: TimelineItem): number {
  return flagged * 2 ** 60 + changedBytes;
}
