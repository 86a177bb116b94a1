/** What a policy would do, tried on all points of the set a moment after each change of its fields. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Policy, SimulateAnswer, SimulateRequest } from '../../../shared/api/retention.js';
import { postJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { formatBytes, formatCount, formatTime } from '../../parts/format.js';
import { Loading, FailureBox } from '../../parts/states.js';
import { Table } from '../../parts/table.js';
import { pointLink } from '../../shell/links.js';

import { texts } from '../../texts.js';
import { Strip } from './strip.js';

const SETTLED_MS = 250;
const HORIZON_DAYS = 365;
const DAY_MS = 86_400_000;

export interface SimulationProps {
  readonly set: string;
  /** Undefined while the fields are no policy: the last trial stays. */
  readonly policy: Policy | undefined;
  readonly inForce: Policy | null;
}

export function Simulation({ set, policy, inForce }: SimulationProps): VNode {
  const tried = useSettled(policy);
  const [last, setLast] = useState<SimulateAnswer>();
  const answer = useAnswer(
    async (signal) => {
      if (tried === undefined) return undefined;
      const path = `/v1/sets/${encodeURIComponent(set)}/retention/simulate`;
      const body: SimulateRequest = { policy: tried, horizonMs: HORIZON_DAYS * DAY_MS };
      return await postJson<SimulateAnswer>(path, body, { signal });
    },
    ['simulate', set, tried],
  );
  const value = answer.state === 'ready' ? answer.value : undefined;
  useEffect(() => {
    if (value !== undefined) setLast(value);
  }, [value]);
  const trying = policy !== tried || answer.state === 'loading';
  return (
    <section
      class={`card stack simulation ${trying ? 'trying' : ''}`}
      aria-labelledby="simulation"
      aria-busy={trying}
    >
      <h2 id="simulation">{texts.policies.simulation}</h2>
      {answer.state === 'failed' && <FailureBox failure={answer.failure} onRetry={answer.reload} />}
      {last === undefined
        ? answer.state !== 'failed' && <Loading text={texts.policies.simulating} />
        : answer.state !== 'failed' && <Simulated simulated={last} inForce={inForce} />}
    </section>
  );
}

/** The policy once it has not changed for a moment. */
function useSettled(policy: Policy | undefined): Policy | undefined {
  const [settled, setSettled] = useState(policy);
  const key = JSON.stringify(policy);
  useEffect(() => {
    if (policy === undefined) return undefined;
    const timer = setTimeout(() => {
      setSettled(policy);
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [key]);
  return JSON.stringify(settled) === key ? policy : settled;
}

interface SimulatedProps {
  readonly simulated: SimulateAnswer;
  readonly inForce: Policy | null;
}

function Simulated({ simulated, inForce }: SimulatedProps): VNode {
  const { keep, go, goOnlyNow, oldestKeptMs, freed, future, byRule, kept, keptLeftOut } = simulated;
  return (
    <>
      <div aria-live="polite" class="simulated-counts">
        <p>
          <strong class="stays">{texts.policies.keeps(keep)}</strong>,{' '}
          <strong class="goes">{texts.policies.removes(go)}</strong>.
        </p>
      </div>
      <Strip simulated={simulated} />
      <ul class="notes">
        {go > 0 && (
          <li>
            {inForce === null ? texts.policies.removesAll : texts.policies.removesNow(goOnlyNow)}
          </li>
        )}
        {oldestKeptMs !== null && <li>{texts.policies.oldest(formatTime(oldestKeptMs))}</li>}
        {go > 0 && (
          <li>
            {freed === null
              ? texts.policies.freedUnknown
              : texts.policies.freed(formatBytes(freed.atticBytes + freed.packBytes))}
          </li>
        )}
        {future !== null && (
          <li>{texts.policies.future(future.keep, Math.round(future.horizonMs / DAY_MS))}</li>
        )}
      </ul>
      <Table
        caption={texts.policies.simulation}
        columns={[
          {
            key: 'rule',
            title: texts.policies.rule,
            cell: ({ rule }) => texts.policies.rules[rule] ?? rule,
          },
          {
            key: 'keeps',
            title: texts.policies.ruleKeeps,
            kind: 'number',
            cell: ({ points }) => formatCount(points),
          },
          {
            key: 'alone',
            title: texts.policies.ruleAlone,
            kind: 'number',
            cell: ({ alone }) => formatCount(alone),
          },
        ]}
        rows={byRule.filter(({ points }) => points > 0)}
        rowKey={({ rule }) => rule}
      />
      <details>
        <summary>{texts.policies.keptPoints}</summary>
        {keptLeftOut > 0 && <p class="muted small">{texts.policies.keptLeftOut(keptLeftOut)}</p>}
        <ul class="kept-points" tabIndex={0} aria-label={texts.policies.keptPoints}>
          {kept.toReversed().map(({ point, timeMs, rules }) => (
            <li key={point}>
              <a href={pointLink(simulated.set, point)}>{point}</a>{' '}
              <span class="number">{formatTime(timeMs)}</span>{' '}
              <span class="muted small">
                {rules.map((rule) => texts.policies.rules[rule] ?? rule).join(', ')}
              </span>
            </li>
          ))}
        </ul>
      </details>
    </>
  );
}
