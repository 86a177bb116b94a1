/** Alarms: what is wrong and since when, what to look at, and that somebody has. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AlarmJson, AlarmsAnswer } from '../../../shared/api/alarms.js';
import { getJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { useAnswer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { Button, LinkButton } from '../../parts/button.js';
import { CheckField } from '../../parts/field.js';
import { formatTime } from '../../parts/format.js';
import { Ago, Mark } from '../../parts/marks.js';
import { Answered, Empty } from '../../parts/states.js';
import { notifyFailure } from '../../shell/notices.js';
import type { PageProps } from '../../shell/page-entry.js';
import { compareLink, pointLink, restoreLink, setLink } from '../../shell/links.js';
import { go, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { AcknowledgeDialog } from './acknowledge-dialog.js';

const EVERY_MS = 30_000;
const PAGE_ALARMS = 50;

export function AlarmsPage({ query }: PageProps): VNode {
  const state = query.get('state') === 'all' ? 'all' : 'open';
  const set = query.get('set') ?? undefined;
  // Pages that were loaded belong to what was asked for.
  return <Alarms key={`${state} ${set ?? ''}`} state={state} set={set} />;
}

interface AlarmsProps {
  readonly state: 'open' | 'all';
  readonly set: string | undefined;
}

function Alarms({ state, set }: AlarmsProps): VNode {
  const asked = { state, set, limit: PAGE_ALARMS };
  const answer = useAnswer(
    (signal) => getJson<AlarmsAnswer>('/v1/alarms', { query: asked, signal }),
    ['alarms', state, set],
    { everyMs: EVERY_MS },
  );
  const [older, setOlder] = useState<AlarmsAnswer>();
  const [looking, setLooking] = useState<AlarmJson>();
  useEvents((event) => {
    if (event.name === 'alarm') {
      setOlder(undefined);
      answer.reload();
    }
  });
  const next = older?.next ?? (answer.state === 'ready' ? answer.value.next : null);
  const more = async (before: string): Promise<void> => {
    const page = await getJson<AlarmsAnswer>('/v1/alarms', {
      query: { ...asked, before },
    });
    setOlder((now) => ({ ...page, alarms: [...(now?.alarms ?? []), ...page.alarms] }));
  };
  return (
    <div class="stack">
      <header class="page-head">
        <div class="row">
          <h1>{set === undefined ? texts.alarms.title : texts.alarms.ofSet(set)}</h1>
          {set !== undefined && <a href={hrefHere({ set: undefined })}>{texts.alarms.allSets}</a>}
        </div>
        <CheckField
          label={texts.alarms.showAll}
          checked={state === 'all'}
          onChecked={(checked) => {
            go(hrefHere({ state: checked ? 'all' : undefined }), 'replace');
          }}
        />
      </header>
      <Answered answer={answer}>
        {({ alarms }) =>
          alarms.length === 0 ? (
            <Empty title={state === 'all' ? texts.alarms.noneEver : texts.alarms.none} />
          ) : (
            <ul class="stack">
              {[...alarms, ...(older?.alarms ?? [])].map((alarm) => (
                <li key={alarm.id}>
                  <Alarm alarm={alarm} onLook={setLooking} />
                </li>
              ))}
            </ul>
          )
        }
      </Answered>
      {next !== null && (
        <div class="row">
          <Button
            onClick={() => {
              more(next).catch(notifyFailure);
            }}
          >
            {texts.acting.more}
          </Button>
        </div>
      )}
      {looking !== undefined && (
        <AcknowledgeDialog
          alarm={looking}
          onClose={() => {
            setLooking(undefined);
          }}
          onDone={answer.reload}
        />
      )}
    </div>
  );
}

interface AlarmProps {
  readonly alarm: AlarmJson;
  readonly onLook: (alarm: AlarmJson) => void;
}

function Alarm({ alarm, onLook }: AlarmProps): VNode {
  const { id, set, kind, severity, sinceMs, untilMs, text, acknowledged } = alarm;
  const nowMs = Date.now();
  const waits = untilMs === null && acknowledged === null;
  return (
    <article class={`card alarm ${waits ? severity : 'over'}`} aria-labelledby={id}>
      <header class="row">
        <Mark tone={untilMs !== null ? 'calm' : severity === 'critical' ? 'bad' : 'warn'}>
          {texts.alarms.severities[severity]}
        </Mark>
        <h2 id={id}>
          {texts.alarms.kinds[kind] ?? kind}:{' '}
          {set === null ? texts.alarms.replica : <a href={setLink(set)}>{set}</a>}
        </h2>
        <span class="muted small">
          {untilMs === null ? (
            <Ago timeMs={sinceMs} nowMs={nowMs} />
          ) : (
            texts.alarms.until(formatTime(untilMs))
          )}
        </span>
      </header>
      <p>{text}</p>
      <AlarmFacts alarm={alarm} />
      {acknowledged === null ? (
        untilMs === null && (
          <div class="row">
            <ActButton
              role="operator"
              label={texts.alarms.acknowledgeOne(id)}
              onAct={() => {
                onLook(alarm);
              }}
            >
              {texts.alarms.acknowledge}
            </ActButton>
          </div>
        )
      ) : (
        <p class="muted small">
          {texts.alarms.acknowledged(acknowledged.by, formatTime(acknowledged.timeMs))}
          {acknowledged.note !== null && `: ${acknowledged.note}`}
        </p>
      )}
    </article>
  );
}

/** What leads on: why, which files, which point is the last good one. */
function AlarmFacts({ alarm }: { readonly alarm: AlarmJson }): VNode | null {
  const { set, facts } = alarm;
  const { signs = [], examples = [], calmPoint, firstPoint, hold } = facts;
  return (
    <>
      {signs.length > 0 && (
        <ul class="notes" aria-label={texts.alarms.signs}>
          {signs.map((sign) => (
            <li key={sign}>{sign}</li>
          ))}
        </ul>
      )}
      {examples.length > 0 && (
        <div>
          <h3>{texts.alarms.examples}</h3>
          <ul class="notes">
            {examples.map((example) => (
              <li key={example}>
                <code>{example}</code>
              </li>
            ))}
          </ul>
        </div>
      )}
      {firstPoint != null && <p>{texts.alarms.firstPoint(firstPoint)}</p>}
      {hold != null && <p>{texts.alarms.held(hold)}</p>}
      {set !== null && calmPoint != null && (
        <div class="row">
          <LinkButton kind="primary" href={restoreLink(set, calmPoint)}>
            {texts.alarms.restoreCalm(calmPoint)}
          </LinkButton>
          <LinkButton href={pointLink(set, calmPoint)}>
            {texts.alarms.calmPoint(calmPoint)}
          </LinkButton>
          {firstPoint != null && (
            <LinkButton href={compareLink(set, { from: calmPoint, to: firstPoint })}>
              {texts.set.burst.compare}
            </LinkButton>
          )}
        </div>
      )}
    </>
  );
}
