/** What is kept of a set: its policy, tried before it is saved, its last and next run, its holds. */
import type { VNode } from 'preact';
import type { RetentionAnswer } from '../../../shared/api/retention.js';
import { getJson } from '../../api/client.js';
import { type Answer, useAnswer } from '../../api/use-answer.js';
import { formatBytes, formatTime } from '../../parts/format.js';
import { SetSelect, useStatus } from '../../parts/set-select.js';
import { Answered, Empty } from '../../parts/states.js';
import type { PageProps } from '../../shell/page-entry.js';
import { go, hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { Holds } from './holds.js';
import { PolicyEditor } from './policy-editor.js';

export function PoliciesPage({ query }: PageProps): VNode {
  const status = useStatus();
  return (
    <div class="stack">
      <header class="page-head">
        <div>
          <h1>{texts.policies.title}</h1>
          <p class="muted">{texts.policies.intro}</p>
        </div>
      </header>
      <Answered answer={status}>
        {({ sets }) => {
          const names = sets.map(({ set }) => set);
          const set = query.get('set') ?? names[0];
          if (set === undefined) return <Empty title={texts.overview.empty} />;
          return (
            <>
              <div class="filters">
                <SetSelect
                  sets={names}
                  value={set}
                  onValue={(chosen) => {
                    go(hrefHere({ set: chosen }), 'replace');
                  }}
                />
              </div>
              <Retention key={set} set={set} />
            </>
          );
        }}
      </Answered>
    </div>
  );
}

function Retention({ set }: { readonly set: string }): VNode {
  const path = `/v1/sets/${encodeURIComponent(set)}/retention`;
  const answer: Answer<RetentionAnswer> = useAnswer(
    (signal) => getJson<RetentionAnswer>(path, { signal }),
    ['retention', set],
  );
  return (
    <Answered answer={answer}>
      {(retention) => (
        <>
          <Runs retention={retention} />
          <PolicyEditor
            key={JSON.stringify(retention.policy)}
            set={set}
            retention={retention}
            onSaved={answer.reload}
          />
          <Holds set={set} holds={retention.holds} onChange={answer.reload} />
        </>
      )}
    </Answered>
  );
}

function Runs({ retention }: { readonly retention: RetentionAnswer }): VNode {
  const { policy, nextRunMs, lastRun } = retention;
  return (
    <p class="muted">
      {policy === null && <strong>{texts.policies.noPolicy} </strong>}
      {nextRunMs !== null && `${texts.policies.next(formatTime(nextRunMs))} `}
      {lastRun !== null &&
        texts.policies.last(
          formatTime(lastRun.timeMs),
          lastRun.removed,
          formatBytes(lastRun.fileBytes + lastRun.packBytes),
        )}
    </p>
  );
}
