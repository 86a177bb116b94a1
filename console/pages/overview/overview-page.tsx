/** All sets at a glance: which one needs somebody, and why. */
import type { VNode } from 'preact';
import type { StatusAnswer } from '../../../shared/api/status.js';
import { getJson } from '../../api/client.js';
import { useEvents } from '../../api/events.js';
import { useAnswer } from '../../api/use-answer.js';
import { Answered, Empty } from '../../parts/states.js';
import { texts } from '../../texts.js';

const EVERY_MS = 10_000;

export function OverviewPage(): VNode {
  const status = useAnswer((signal) => getJson<StatusAnswer>('/v1/status', { signal }), [], {
    everyMs: EVERY_MS,
  });
  useEvents(({ name }) => {
    if (name !== 'job') status.reload();
  });
  return (
    <>
      <h1>{texts.overview.title}</h1>
      <Answered answer={status}>
        {({ sets }) =>
          sets.length === 0 ? (
            <Empty title={texts.overview.empty} hint={texts.overview.emptyHint} />
          ) : (
            <ul>
              {sets.map(({ set }) => (
                <li key={set}>{set}</li>
              ))}
            </ul>
          )
        }
      </Answered>
    </>
  );
}
