/** One set: how it stands, its timeline, and the point that was picked on it. */
import type { VNode } from 'preact';
import type { StatusAnswer } from '../../../shared/api/status.js';
import type { PointDetail } from '../../../shared/api/points.js';
import type { JobJson } from '../../../shared/api/jobs.js';
import { getJson, postJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { useAnswer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { LinkButton } from '../../parts/button.js';
import { Icon } from '../../parts/icon.js';
import { Mark } from '../../parts/marks.js';
import { Answered, Empty, FailureBox } from '../../parts/states.js';
import { notify } from '../../shell/notices.js';
import type { PageProps } from '../../shell/page-entry.js';
import { restoreLink } from '../../shell/links.js';
import { at, go, href, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { healthOf } from '../overview/set-health.js';
import { NextStep, SetFigures } from '../overview/set-row.js';
import { BurstNotice } from './burst-notice.js';
import { PointPanel } from './point-panel.js';
import { TimelineCard } from './timeline-card.js';
import { useWholeTimeline } from './use-timeline.js';

const EVERY_MS = 10_000;

export function SetPage({ params, query }: PageProps): VNode {
  const { set = '' } = params;
  const whole = useWholeTimeline(set);
  const asked = Number(query.get('point') ?? '');
  const picked = asked > 0 ? asked : undefined;
  const detail = useAnswer(
    (signal) => getJson<PointDetail>(at`/v1/sets/${set}/points/${picked ?? 'latest'}`, { signal }),
    [set, picked, picked === undefined && whole.state === 'ready' ? whole.value.lastMs : 0],
  );
  const pick = (point: number): void => {
    go(hrefHere({ point }), 'replace');
  };
  return (
    <div class="stack">
      <SetHead set={set} picked={picked} />
      <Answered answer={whole}>
        {(answer) =>
          answer.total === 0 ? (
            <Empty title={texts.set.timeline.empty} hint={texts.set.timeline.emptyHint} />
          ) : (
            <>
              <BurstNotice set={set} whole={answer} onPick={pick} />
              <TimelineCard
                whole={answer}
                query={query}
                onPick={pick}
                set={set}
                picked={picked}
                pickedMs={
                  picked !== undefined && detail.state === 'ready' ? detail.value.timeMs : undefined
                }
              />
              <PointPanel set={set} detail={detail} newest={picked === undefined} />
            </>
          )
        }
      </Answered>
    </div>
  );
}

function SetHead({
  set,
  picked,
}: {
  readonly set: string;
  readonly picked: number | undefined;
}): VNode {
  const status = useAnswer((signal) => getJson<StatusAnswer>('/v1/status', { signal }), [], {
    everyMs: EVERY_MS,
  });
  useEvents((event) => {
    const about = event.name === 'set' || event.name === 'point' || event.name === 'alarm';
    if (about && event.data.set === set) status.reload();
  });
  const answer = status.state === 'ready' ? status.value : undefined;
  const now = answer?.sets.find((one) => one.set === set);
  const health = now === undefined ? undefined : healthOf(now);
  const ask = async (): Promise<void> => {
    const job = await postJson<JobJson>('/v1/jobs', { kind: 'sync', set });
    notify({ kind: 'done', text: texts.set.actions.syncAsked, hint: job.id });
  };
  return (
    <header class="set-head">
      <nav class="crumbs" aria-label={texts.words.crumbs}>
        <a href={href('/')}>{texts.nav.sets}</a>
        <span aria-hidden="true">/</span>
      </nav>
      <div class="set-head-line">
        <h1>{set}</h1>
        {health !== undefined && (
          <Mark tone={health.tone}>{texts.overview.state[health.word]}</Mark>
        )}
        {now !== undefined && health !== undefined && <NextStep set={now} health={health} />}
        <span class="row set-head-acts">
          <ActButton role="operator" reason="title" onAct={ask}>
            <Icon name="sync" />
            {texts.set.actions.sync}
          </ActButton>
          <LinkButton href={href('/retention', { set })}>
            <Icon name="policies" />
            {texts.set.actions.retention}
          </LinkButton>
          <LinkButton href={restoreLink(set, picked ?? now?.newest?.point ?? 0)} kind="primary">
            <Icon name="restore" />
            {texts.set.point.restore}
          </LinkButton>
        </span>
      </div>
      {now !== undefined && now.error !== null && (
        <p class="set-error">
          {now.error.message} <span class="muted">{now.error.hint}</span>
        </p>
      )}
      {status.state === 'failed' && <FailureBox failure={status.failure} onRetry={status.reload} />}
      {now !== undefined && answer !== undefined && (
        <div class="card figures-card">
          <SetFigures set={now} nowMs={answer.nowMs} />
        </div>
      )}
    </header>
  );
}
