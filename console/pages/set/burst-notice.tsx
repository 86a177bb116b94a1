/**
 * Says where the set changed far more than it usually does, and which point is the last good one
 * before that: what an operator looks for on the worst day. An alarm of the replica, which has looked
 * into the files, goes before what the timeline alone shows.
 */
import type { ComponentChildren, VNode } from 'preact';
import type { AlarmJson, AlarmsAnswer } from '../../../shared/api/alarms.js';
import type { PointsAnswer } from '../../../shared/api/points.js';
import type { TimelineAnswer } from '../../../shared/api/timeline.js';
import { getJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { orWithout } from '../../api/failure.js';
import { useAnswer } from '../../api/use-answer.js';
import { Button, LinkButton } from '../../parts/button.js';
import { formatBytes, formatNumbered, formatTime } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { FailureBox } from '../../parts/states.js';
import { compareLink } from '../../shell/links.js';
import { at, href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { lastCalm, massChangeOf, waitingMassChange } from '../alarms/mass-change.js';
import { burstBytes, itemsOf, lastBurst, type TimelineItem } from './timeline-items.js';
import { askTimeline } from './use-timeline.js';

export interface BurstNoticeProps {
  readonly set: string;
  readonly whole: TimelineAnswer;
  readonly onPick: (point: number) => void;
}

interface Burst {
  readonly item: TimelineItem;
  readonly point: number;
  /** The last good one before it; undefined when none is kept, or known to be. */
  readonly calm: number | undefined;
}

const ALARMS_ASKED = 100;

export function BurstNotice({ set, whole, onPick }: BurstNoticeProps): VNode | null {
  const alarms = useAnswer(
    async (signal) => {
      const query = { set, kind: 'mass-change', state: 'all', limit: ALARMS_ASKED };
      return (
        (await orWithout(getJson<AlarmsAnswer>('/v1/alarms', { query, signal })))?.alarms ?? []
      );
    },
    [set],
  );
  useEvents((event) => {
    if (event.name === 'alarm' && event.data.set === set) alarms.reload();
  });
  if (alarms.state === 'loading') return null;
  if (alarms.state === 'failed') {
    return <FailureBox failure={alarms.failure} onRetry={alarms.reload} />;
  }
  const waiting = waitingMassChange(alarms.value);
  if (waiting !== undefined) return <MassChange set={set} alarm={waiting} onPick={onPick} />;
  return <LargeChange set={set} whole={whole} alarms={alarms.value} onPick={onPick} />;
}

interface MassChangeProps {
  readonly set: string;
  readonly alarm: AlarmJson;
  readonly onPick: (point: number) => void;
}

function MassChange({ set, alarm, onPick }: MassChangeProps): VNode {
  const words = texts.set.massChange;
  const { firstPoint, calmPoint, hold } = alarm.facts;
  return (
    <Notice
      title={firstPoint == null ? words.titleNow : words.title(firstPoint)}
      calm={calmPoint ?? undefined}
      pick={words.pick}
      point={firstPoint ?? undefined}
      set={set}
      onPick={onPick}
      more={<LinkButton href={href('/alarms', { set })}>{words.alarm}</LinkButton>}
    >
      <p>{alarm.text}</p>
      <p>
        {calmPoint == null
          ? words.noCalm
          : hold == null
            ? words.notHeld(calmPoint)
            : words.held(calmPoint, hold)}
      </p>
    </Notice>
  );
}

interface LargeChangeProps extends BurstNoticeProps {
  readonly alarms: readonly AlarmJson[];
}

function LargeChange({ set, whole, alarms, onPick }: LargeChangeProps): VNode | null {
  const items = itemsOf(whole);
  const found = lastBurst(items);
  const from = burstBytes(items);
  const burst = useAnswer(
    (signal) => narrow(set, { item: found, from, alarms, signal }),
    [set, found?.firstPoint, found?.lastPoint, from, alarms],
  );
  if (burst.state === 'failed') {
    return <FailureBox failure={burst.failure} onRetry={burst.reload} />;
  }
  if (burst.state !== 'ready' || burst.value === undefined) return null;
  const { item, point, calm } = burst.value;
  const words = texts.set.burst;
  return (
    <Notice
      title={item.flagged > 0 ? words.flaggedTitle(point) : words.title(point)}
      calm={calm}
      pick={words.pick}
      point={point}
      set={set}
      onPick={onPick}
    >
      <p>
        {words.text(
          formatBytes(item.changedBytes),
          formatNumbered(item.changedNodes, ...texts.set.timeline.nodes),
          formatTime(item.timeMs),
        )}{' '}
        {calm === undefined ? words.noCalm : words.calm(calm)}
      </p>
    </Notice>
  );
}

interface NoticeProps {
  readonly title: string;
  readonly set: string;
  /** What happened, and the last good point before it. */
  readonly point: number | undefined;
  readonly calm: number | undefined;
  readonly pick: (point: number) => string;
  readonly onPick: (point: number) => void;
  readonly more?: ComponentChildren;
  readonly children: ComponentChildren;
}

function Notice({ title, set, point, calm, pick, onPick, more, children }: NoticeProps): VNode {
  const words = texts.set.burst;
  return (
    <section class="burst" aria-label={title}>
      <Icon name="alarm" />
      <div>
        <h2>{title}</h2>
        {children}
      </div>
      <div class="row">
        {calm !== undefined && (
          <Button
            kind="primary"
            onClick={() => {
              onPick(calm);
            }}
          >
            {pick(calm)}
          </Button>
        )}
        {calm !== undefined && point !== undefined && (
          <LinkButton href={compareLink(set, { from: calm, to: point })}>
            {words.compare}
          </LinkButton>
        )}
        {point !== undefined && (
          <Button
            onClick={() => {
              onPick(point);
            }}
          >
            {words.show}
          </Button>
        )}
        {more}
      </div>
    </section>
  );
}

/** Halves at most so many times: a stretch of 100,000 points has one of them after three. */
const NARROWINGS_MAX = 8;
const BUCKETS = 100;
/** How many points before a burst are looked at for a calm one. */
const POINTS_BACK = 500;

interface NarrowQuery {
  readonly item: TimelineItem | undefined;
  readonly from: number;
  readonly alarms: readonly AlarmJson[];
  readonly signal: AbortSignal;
}

/** The single point of a stretch that changed the most, or has the alarm, and the last calm one. */
async function narrow(
  set: string,
  { item, from, alarms, signal }: NarrowQuery,
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
  const { points, leftOut } = await getJson<PointsAnswer>(at`/v1/sets/${set}/points`, {
    query: { before: String(point), limit: POINTS_BACK },
    signal,
  });
  const mass = massChangeOf(alarms, { point, timeMs: found.timeMs });
  const calm =
    mass?.facts.calmPoint ?? lastCalm(points, { alarms, burstBytes: from, isWhole: leftOut === 0 });
  return { item: found, point, calm };
}

function weight({ flagged, changedBytes }: TimelineItem): number {
  return flagged * 2 ** 60 + changedBytes;
}
