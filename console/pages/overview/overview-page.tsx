/** All sets at a glance: which one needs somebody, why, and what to do next. The worst come first. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { SetStatusJson, StatusAnswer } from '../../../shared/api/status.js';
import { getJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { useAnswer } from '../../api/use-answer.js';
import { TextField } from '../../parts/field.js';
import { formatRough } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { Answered, Empty } from '../../parts/states.js';
import { texts } from '../../texts.js';
import { healthOf, needsAttention } from './set-health.js';
import { SetRow } from './set-row.js';

const EVERY_MS = 10_000;
/** From so many sets on they can be filtered. */
const MANY = 9;

export function OverviewPage(): VNode {
  const status = useAnswer((signal) => getJson<StatusAnswer>('/v1/status', { signal }), [], {
    everyMs: EVERY_MS,
  });
  useEvents(({ name }) => {
    if (name !== 'job') status.reload();
  });
  return (
    <Answered answer={status}>
      {(answer) =>
        answer.sets.length === 0 ? (
          <>
            <h1>{texts.overview.title}</h1>
            <Empty title={texts.overview.empty} hint={texts.overview.emptyHint} />
          </>
        ) : (
          <Sets answer={answer} />
        )
      }
    </Answered>
  );
}

function Sets({ answer }: { readonly answer: StatusAnswer }): VNode {
  const { sets, nowMs, version, startedMs } = answer;
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const shown = worstFirst(sets).filter(({ set }) => set.toLowerCase().includes(wanted));
  const need = sets.filter(needsAttention).length;
  return (
    <>
      <header class="page-head">
        <div>
          <h1>{texts.overview.title}</h1>
          <p class={`verdict ${need === 0 ? 'good' : 'bad'}`} role="status">
            <Icon name={need === 0 ? 'ok' : 'alarm'} />
            {need === 0
              ? texts.overview.allWell(sets.length)
              : texts.overview.someNeed(need, sets.length)}
          </p>
        </div>
        {sets.length >= MANY && (
          <TextField
            label={texts.overview.filter}
            type="search"
            value={filter}
            onValue={setFilter}
          />
        )}
      </header>
      {shown.length === 0 ? (
        <Empty title={texts.overview.noneFits} />
      ) : (
        <ul class="sets" aria-label={texts.overview.caption}>
          {shown.map((set) => (
            <SetRow key={set.set} set={set} nowMs={nowMs} />
          ))}
        </ul>
      )}
      <p class="muted small sets-foot">
        {texts.overview.version(version, formatRough(nowMs - startedMs))}
      </p>
    </>
  );
}

function worstFirst(sets: readonly SetStatusJson[]): SetStatusJson[] {
  return [...sets].sort(
    (a, b) => healthOf(b).rank - healthOf(a).rank || (a.set < b.set ? -1 : a.set > b.set ? 1 : 0),
  );
}
