/** One set of the overview: its state in words, the figures that prove it, the next step. */
import type { ComponentChildren, VNode } from 'preact';
import type { SetStatusJson } from '../../../shared/api/status.js';
import { formatBytes, formatCount, formatRough } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { Ago, ConsistencyMark, Mark } from '../../parts/marks.js';
import { setLink } from '../../shell/links.js';
import { href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { type Health, healthOf, isBehind, spaceOf } from './set-health.js';

export interface SetRowProps {
  readonly set: SetStatusJson;
  readonly nowMs: number;
}

export function SetRow({ set, nowMs }: SetRowProps): VNode {
  const health = healthOf(set);
  return (
    <li class={`set-row ${health.tone}`}>
      <div class="set-row-head">
        <a class="set-name" href={setLink(set.set)}>
          {set.set}
        </a>
        <Mark tone={health.tone}>{texts.overview.state[health.word]}</Mark>
        <NextStep set={set} health={health} />
      </div>
      {set.error !== null && (
        <p class="set-error">
          {set.error.message} <span class="muted">{set.error.hint}</span>
        </p>
      )}
      <SetFigures set={set} nowMs={nowMs} />
    </li>
  );
}

/** The figures of a set, as the overview and the page of the set show them. */
export function SetFigures({ set, nowMs }: SetRowProps): VNode {
  const { columns } = texts.overview;
  const { newest, lagMs, lagTargetMs, continuityMs, lastVerified } = set;
  const space = spaceOf(set);
  return (
    <dl class="figures">
      <Figure title={columns.newest}>
        {newest === null ? (
          <span class="muted">{texts.overview.noPoint}</span>
        ) : (
          <>
            <b>
              <Ago timeMs={newest.timeMs} nowMs={nowMs} />
            </b>
            <small>
              <ConsistencyMark of={newest.consistency} />
            </small>
          </>
        )}
      </Figure>
      <Figure title={columns.lag} tone={isBehind(set) ? 'warn' : ''}>
        <b>{lagMs === null ? texts.words.unknown : formatRough(lagMs)}</b>
        {lagTargetMs !== undefined && (
          <small>{texts.overview.lagTarget(formatRough(lagTargetMs))}</small>
        )}
      </Figure>
      <Figure title={columns.continuity}>
        <b>{continuityMs === null ? texts.words.unknown : formatRough(continuityMs)}</b>
      </Figure>
      <Figure title={columns.verified}>
        {lastVerified == null ? (
          <b>{texts.overview.notVerified}</b>
        ) : (
          <>
            <b>
              <Ago timeMs={lastVerified.timeMs} nowMs={nowMs} />
            </b>
            <small>{texts.overview.verifiedAt(lastVerified.point)}</small>
          </>
        )}
      </Figure>
      <Figure title={columns.space}>
        <b>{formatBytes(space.base + space.history)}</b>
        <small>
          {texts.overview.spaceParts(formatBytes(space.base), formatBytes(space.history))}
        </small>
      </Figure>
      <Figure title={texts.overview.points}>
        <b>{formatCount(set.points)}</b>
      </Figure>
    </dl>
  );
}

function Figure({
  title,
  tone = '',
  children,
}: {
  readonly title: string;
  readonly tone?: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    <div class={`figure ${tone}`}>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** What to do next: a link where a page helps, else words. */
export function NextStep({
  set,
  health,
}: {
  readonly set: SetStatusJson;
  readonly health: Health;
}): VNode {
  const text = texts.overview.next[health.next];
  const link = nextLink(set.set, health);
  if (link === undefined) return <span class="next-step muted">{text}</span>;
  return (
    <a class="next-step" href={link}>
      {text}
      <Icon name="right" />
    </a>
  );
}

function nextLink(set: string, { next }: Health): string | undefined {
  switch (next) {
    case 'alarm':
      return href('/alarms', { set });
    case 'damaged':
    case 'watch':
    case 'refused':
      return href('/jobs', { set });
    case 'behind':
      return setLink(set);
    default:
      return undefined;
  }
}
