/** Which point, with all that speaks for or against it, and which paths of it. */
import type { VNode } from 'preact';
import type { PointJson } from '../../../shared/api/points.js';
import { Button } from '../../parts/button.js';
import { ChoiceField, SelectField, TextField } from '../../parts/field.js';
import { formatBytes, formatCount, formatTime } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { ConsistencyMark, Mark } from '../../parts/marks.js';
import { Empty } from '../../parts/states.js';
import { pointLink, setLink } from '../../shell/links.js';
import { texts } from '../../texts.js';
import { massChangeOf } from '../alarms/mass-change.js';
import type { DraftFault, RestoreDraft } from './restore-draft.js';
import type { RestoreFacts } from './use-facts.js';

export interface StepProps {
  readonly draft: RestoreDraft;
  readonly change: (changes: Partial<RestoreDraft>) => void;
  readonly facts: RestoreFacts;
  readonly faults: readonly DraftFault[];
}

export function WhatStep({ draft, change, facts, faults }: StepProps): VNode {
  const { points, leftOut } = facts;
  if (points.length === 0) return <Empty title={texts.restore.pointNone} />;
  const chosen = points.find(({ point }) => point === draft.point);
  const listed = draft.point === undefined || chosen !== undefined;
  return (
    <>
      <div class="filters">
        <SelectField
          label={texts.restore.point}
          value={String(draft.point ?? '')}
          error={faults.includes('point') ? texts.restore.needPoint : undefined}
          options={[
            ...(listed ? [] : [{ value: String(draft.point), label: String(draft.point) }]),
            ...points.toReversed().map((point) => ({
              value: String(point.point),
              label: `${point.point}: ${formatTime(point.timeMs)}`,
            })),
          ]}
          onValue={(value) => {
            change({ point: Number(value) });
          }}
        />
        <a class="button" href={setLink(draft.set)}>
          {texts.restore.timeline}
        </a>
      </div>
      {leftOut > 0 && <p class="muted small">{texts.restore.pointOlder(leftOut)}</p>}
      {chosen !== undefined && <PointState point={chosen} facts={facts} change={change} />}
      {chosen === undefined && draft.point !== undefined && draft.point === facts.asked && (
        <p class="warning">{texts.restore.pointUnknown(draft.point)}</p>
      )}
      <What draft={draft} change={change} faults={faults} />
    </>
  );
}

interface PointStateProps {
  readonly point: PointJson;
  readonly facts: RestoreFacts;
  readonly change: (changes: Partial<RestoreDraft>) => void;
}

/** Consistency, verification, and warnings; the way to a better point where one is known. */
function PointState({ point, facts, change }: PointStateProps): VNode {
  const { lastVerified, status } = facts;
  const verified = lastVerified !== undefined && lastVerified.point >= point.point;
  const mass = massChangeOf(facts.massChanges, point);
  const calm = mass?.facts.calmPoint;
  const damaged = status?.scrub?.damaged ?? 0;
  return (
    <div class="point-state stack">
      <div class="row">
        <ConsistencyMark of={point.consistency} />
        <span class="muted">
          {texts.restore.consistency[point.consistency]}.{' '}
          {texts.restore.extent(formatCount(point.files), formatBytes(point.bytes))}
        </span>
      </div>
      <div class="row">
        <Mark tone={verified ? 'good' : 'calm'}>
          {verified
            ? texts.restore.verified(formatTime(lastVerified.timeMs))
            : texts.restore.notVerified}
        </Mark>
        {damaged > 0 && <Mark tone="bad">{texts.restore.damaged(damaged)}</Mark>}
        {point.unreadable > 0 && (
          <Mark tone="warn">{texts.restore.unreadable(point.unreadable)}</Mark>
        )}
      </div>
      {mass !== undefined && (
        <div class="warning" role="alert">
          <Icon name="alarm" />
          <div>
            <p>{calm == null ? texts.restore.massChangeNoCalm : texts.restore.massChange(calm)}</p>
            {calm != null && (
              <Button
                onClick={() => {
                  change({ point: calm });
                }}
              >
                {texts.restore.useCalm(calm)}
              </Button>
            )}
          </div>
        </div>
      )}
    </div>
  );
}

function What({ draft, change, faults }: Omit<StepProps, 'facts'>): VNode {
  return (
    <>
      <ChoiceField
        label={texts.restore.steps.what}
        value={draft.everything ? 'everything' : 'chosen'}
        options={[
          { value: 'everything', label: texts.restore.everything },
          { value: 'chosen', label: texts.restore.chosen },
        ]}
        onValue={(value) => {
          change({ everything: value === 'everything' });
        }}
      />
      {!draft.everything && (
        <>
          <TextField
            label={texts.restore.paths}
            hint={texts.restore.pathsHint}
            rows={Math.min(8, Math.max(2, draft.paths.length + 1))}
            error={faults.includes('paths') ? texts.restore.needPaths : undefined}
            value={draft.paths.join('\n')}
            onValue={(value) => {
              change({ paths: value.split('\n').filter((path) => path !== '') });
            }}
          />
          {draft.point !== undefined && (
            <div class="row">
              <a class="button" href={pointLink(draft.set, draft.point)}>
                {texts.restore.browse}
              </a>
            </div>
          )}
        </>
      )}
    </>
  );
}
