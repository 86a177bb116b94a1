/** The timeline with what belongs to it: map, buttons, legend, and the table that says the same. */
import type { VNode } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { TimelineAnswer } from '../../../shared/api/timeline.js';
import { Button } from '../../parts/button.js';
import { formatCount } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { ConsistencyMark } from '../../parts/marks.js';
import { go, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { Timeline } from './timeline.js';
import { lanes } from './timeline-draw.js';
import { burstBytes, itemsOf } from './timeline-items.js';
import { TimelineMap } from './timeline-map.js';
import { TimelineTable } from './timeline-table.js';
import {
  boundsOf,
  centred,
  isSame,
  pan,
  spanOf,
  type View,
  within,
  zoom,
} from './timeline-view.js';
import { useItems } from './use-timeline.js';

export interface TimelineCardProps {
  readonly set: string;
  readonly whole: TimelineAnswer;
  readonly query: URLSearchParams;
  readonly onPick: (point: number) => void;
  readonly picked: number | undefined;
  /** Its time, once it is known. */
  readonly pickedMs: number | undefined;
}

const words = texts.set.timeline;
const DAY_MS = 86_400_000;
const spans = { all: Infinity, month: 30 * DAY_MS, week: 7 * DAY_MS, day: DAY_MS, hour: 3_600_000 };
const REST_MS = 300;

export function TimelineCard(props: TimelineCardProps): VNode {
  const { set, whole, query, onPick, pickedMs } = props;
  const bounds = boundsOf(whole.firstMs ?? 0, whole.lastMs ?? 0);
  const [view, setView] = useState<View>(() => viewOf(query, bounds));
  const [width, setWidth] = useState(0);
  const [face, setFace] = useState<'chart' | 'table'>(
    query.get('as') === 'table' ? 'table' : 'chart',
  );
  const { items, inRange } = useItems(set, { view, width, whole });
  const all = useMemo(() => itemsOf(whole), [whole]);
  const standsOut = useMemo(() => burstBytes(all), [all]);
  const bytesMax = useMemo(() => Math.max(...all.map((item) => item.changedBytes)), [all]);
  useAddress(view, { bounds, query });

  const picked = props.picked === undefined ? undefined : { point: props.picked, timeMs: pickedMs };
  useEffect(() => {
    if (pickedMs === undefined || (view.fromMs <= pickedMs && pickedMs < view.toMs)) return;
    setView(centred(view, { timeMs: pickedMs, share: 0.5, bounds }));
  }, [pickedMs]);

  return (
    <section class="card timeline-card" aria-label={words.title}>
      <div class="timeline-bar">
        <h2>{words.title}</h2>
        <p class="muted small" role="status">
          {words.inSight(formatCount(inRange), formatCount(whole.total))}
        </p>
        <ViewButtons view={view} bounds={bounds} onView={setView} lastMs={whole.lastMs ?? 0} />
        <span class="segments" role="group" aria-label={words.title}>
          {(['chart', 'table'] as const).map((name) => (
            <Button
              key={name}
              kind="quiet"
              pressed={face === name}
              onClick={() => {
                setFace(name);
                go(hrefHere({ as: name === 'table' ? name : undefined }), 'replace');
              }}
            >
              {words.views[name]}
            </Button>
          ))}
        </span>
      </div>
      {face === 'chart' ? (
        <>
          <Timeline
            items={items}
            view={view}
            bounds={bounds}
            onView={setView}
            onPick={onPick}
            onWidth={setWidth}
            picked={picked}
            bytesMax={bytesMax}
            burstBytes={standsOut}
            newest={all.at(-1)?.lastPoint ?? 1}
          />
          <TimelineMap
            items={all}
            view={view}
            bounds={bounds}
            bytesMax={bytesMax}
            burstBytes={standsOut}
            onView={setView}
          />
          <Legend />
        </>
      ) : (
        <TimelineTable
          items={items}
          picked={picked?.point}
          burstBytes={standsOut}
          onView={setView}
        />
      )}
    </section>
  );
}

/** What is in sight stays in the address, once it rests. */
function useAddress(
  view: View,
  { bounds, query }: { readonly bounds: View; readonly query: URLSearchParams },
): void {
  useEffect(() => {
    const timer = setTimeout(() => {
      const whole = isSame(view, within(bounds, bounds));
      const from = whole ? undefined : view.fromMs;
      const to = whole ? undefined : view.toMs;
      const now = viewOf(query, bounds);
      if (!isSame(now, view)) go(hrefHere({ from, to }), 'replace');
    }, REST_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [view.fromMs, view.toMs]);
}

function viewOf(query: URLSearchParams, bounds: View): View {
  const fromMs = Number(query.get('from') ?? Number.NaN);
  const toMs = Number(query.get('to') ?? Number.NaN);
  return within(fromMs < toMs ? { fromMs, toMs } : bounds, bounds);
}

interface ViewButtonsProps {
  readonly view: View;
  readonly bounds: View;
  readonly lastMs: number;
  readonly onView: (view: View) => void;
}

function ViewButtons({ view, bounds, lastMs, onView }: ViewButtonsProps): VNode {
  const anchorMs = (view.fromMs + view.toMs) / 2;
  const acts = [
    {
      label: words.earlier,
      icon: 'left',
      next: () => pan(view, { byMs: -spanOf(view) / 2, bounds }),
    },
    {
      label: words.zoomOut,
      icon: 'minus',
      next: () => zoom(view, { factor: 2, anchorMs, bounds }),
    },
    {
      label: words.zoomIn,
      icon: 'plus',
      next: () => zoom(view, { factor: 0.5, anchorMs, bounds }),
    },
    {
      label: words.later,
      icon: 'right',
      next: () => pan(view, { byMs: spanOf(view) / 2, bounds }),
    },
  ] as const;
  return (
    <>
      <span class="segments">
        {(Object.keys(spans) as (keyof typeof spans)[]).map((name) => (
          <Button
            key={name}
            kind="quiet"
            onClick={() => {
              const fromMs = name === 'all' ? bounds.fromMs : lastMs - spans[name];
              onView(within({ fromMs, toMs: bounds.toMs }, bounds));
            }}
          >
            {words.spans[name]}
          </Button>
        ))}
      </span>
      <span class="segments">
        {acts.map(({ label, icon, next }) => (
          <Button
            key={label}
            kind="quiet"
            label={label}
            title={label}
            onClick={() => {
              onView(next());
            }}
          >
            <Icon name={icon} />
          </Button>
        ))}
      </span>
    </>
  );
}

function Legend(): VNode {
  return (
    <ul class="timeline-legend">
      <li>
        <span class="timeline-swatch" aria-hidden="true" />
        {words.changed}
      </li>
      <li>
        <span class="timeline-swatch high" aria-hidden="true" />
        {words.legend.burst}
      </li>
      {lanes.map((lane) => (
        <li key={lane}>
          <ConsistencyMark of={lane} />
        </li>
      ))}
      <li>
        <Icon name="alarm" />
        {words.legend.alarm}
      </li>
      <li>
        <Icon name="hold" />
        {words.legend.hold}
      </li>
    </ul>
  );
}
