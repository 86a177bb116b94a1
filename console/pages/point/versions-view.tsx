/** What became of a path over all points, newest first, with a way on from each version. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { VersionsAnswer, VersionStretch } from '../../../shared/api/versions.js';
import { getJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { CheckField } from '../../parts/field.js';
import { formatBytes, formatCount, formatTime, formatTimeNs } from '../../parts/format.js';
import { Mark } from '../../parts/marks.js';
import { Answered, Empty } from '../../parts/states.js';
import { pointLink, restoreLink } from '../../shell/links.js';
import { at } from '../../shell/router.js';
import { texts } from '../../texts.js';

export interface VersionsViewProps {
  readonly set: string;
  readonly path: string;
  /** The point that is shown beside it. */
  readonly here?: number | undefined;
}

const words = texts.point.versions;

export function VersionsView({ set, path, here }: VersionsViewProps): VNode {
  const [follow, setFollow] = useState<'path' | 'node'>('path');
  const versions = useAnswer(
    (signal) =>
      getJson<VersionsAnswer>(at`/v1/sets/${set}/versions`, { query: { path, follow }, signal }),
    [set, path, follow],
  );
  return (
    <div class="versions">
      <CheckField
        label={words.followed}
        checked={follow === 'node'}
        onChecked={(checked) => {
          setFollow(checked ? 'node' : 'path');
        }}
      />
      <Answered answer={versions}>
        {(answer) =>
          answer.versions === 0 && answer.stretches.length === 0 ? (
            <Empty title={words.none} />
          ) : (
            <>
              <Summary answer={answer} />
              <ol class="version-list" aria-label={words.caption(path)}>
                {[...answer.stretches].reverse().map((stretch) => (
                  <Stretch
                    key={`${stretch.path}:${stretch.firstPoint}`}
                    set={set}
                    path={path}
                    here={here}
                    stretch={stretch}
                  />
                ))}
              </ol>
              {answer.leftOut > 0 && (
                <p class="muted small">{words.leftOut(formatCount(answer.leftOut))}</p>
              )}
            </>
          )
        }
      </Answered>
    </div>
  );
}

function Summary({ answer }: { readonly answer: VersionsAnswer }): VNode {
  const { versions, live, disappeared } = answer;
  return (
    <p>
      <b>{words.summary(versions)}</b>{' '}
      {live ? (
        <span class="muted">{words.live}</span>
      ) : (
        disappeared !== null && (
          <span class="warn-text">
            {words.disappeared(disappeared.point, formatTime(disappeared.timeMs))}
          </span>
        )
      )}
    </p>
  );
}

interface StretchProps {
  readonly set: string;
  /** The path that was asked for. */
  readonly path: string;
  readonly here: number | undefined;
  readonly stretch: VersionStretch;
}

function Stretch({ set, path, here, stretch }: StretchProps): VNode {
  const { firstPoint, lastPoint, firstMs } = stretch;
  const shownHere = here !== undefined && firstPoint <= here && here <= lastPoint;
  const points = words.points(firstPoint, lastPoint);
  const elsewhere = stretch.path !== path && <span class="mono small">{stretch.path}</span>;
  if (stretch.state === 'absent') {
    return (
      <li class="version absent">
        <span class="version-what">
          <Mark tone="calm">{words.absent[stretch.why]}</Mark>
          {stretch.movedTo !== undefined && (
            <span class="small">{words.movedTo(stretch.movedTo)}</span>
          )}
          {elsewhere}
        </span>
        <span class="muted small number">
          {points} · {formatTime(firstMs)}
        </span>
      </li>
    );
  }
  const { entry, change, movedFrom } = stretch;
  // What is open stays at its point; another version is opened at the last point that has it.
  const point = shownHere ? here : lastPoint;
  return (
    <li
      class={`version ${shownHere ? 'here' : ''}`}
      {...(shownHere ? { 'aria-current': true } : {})}
    >
      <span class="version-what">
        <Mark tone={change === 'metadata' ? 'calm' : 'busy'}>{words.change[change]}</Mark>
        <b class="number">
          {entry.kind === 'file' ? formatBytes(entry.size) : texts.words.kind[entry.kind]}
        </b>
        {movedFrom !== undefined && <span class="small">{words.movedFrom(movedFrom)}</span>}
        {elsewhere}
        {shownHere && <span class="muted small">{words.here}</span>}
      </span>
      <span class="muted small number">
        {points} · {formatTime(firstMs)} · {texts.point.list.modified} {formatTimeNs(entry.mtimeNs)}
      </span>
      <span class="version-acts">
        <a href={pointLink(set, point, { at: stretch.path, tab: 'preview' })}>{words.open}</a>
        {here !== undefined && !shownHere && stretch.path === path && (
          <a href={pointLink(set, here, { at: path, tab: 'compare', against: lastPoint })}>
            {words.compare}
          </a>
        )}
        <a href={restoreLink(set, point, [stretch.path])}>{words.restore}</a>
      </span>
    </li>
  );
}
