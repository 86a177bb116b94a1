/** The dry run: what would be lost, what would be written, path by path; nothing is written yet. */
import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { Button } from '../../parts/button.js';
import { formatCount } from '../../parts/format.js';
import { FailureBox, Loading } from '../../parts/states.js';
import { texts } from '../../texts.js';
import type { Planned } from './planned.js';
import { PlannedView } from './planned-view.js';
import type { RestoreDraft } from './restore-draft.js';
import { type PlannedDraft, usePlan } from './use-plan.js';

export interface CheckStepProps {
  readonly draft: RestoreDraft;
  readonly planned: Planned | undefined;
  readonly onPlanned: (planned: Planned | undefined) => void;
}

export function CheckStep({ draft, planned, onPlanned }: CheckStepProps): VNode | null {
  const { point } = draft;
  if (point === undefined) return null;
  if (planned !== undefined) {
    return (
      <>
        <PlannedView planned={planned} />
        <div class="row">
          <Button
            onClick={() => {
              onPlanned(undefined);
            }}
          >
            {texts.restore.checkAgain}
          </Button>
        </div>
      </>
    );
  }
  return <Looking draft={{ ...draft, point }} onPlanned={onPlanned} />;
}

interface LookingProps {
  readonly draft: PlannedDraft;
  readonly onPlanned: (planned: Planned) => void;
}

function Looking({ draft, onPlanned }: LookingProps): VNode {
  const plan = usePlan(draft);
  useEffect(() => {
    if (plan.state === 'ready') onPlanned(plan.planned);
  }, [plan.state]);
  if (plan.state === 'failed') return <FailureBox failure={plan.failure} onRetry={plan.again} />;
  const seen = plan.state === 'looking' && plan.entries > 0 ? formatCount(plan.entries) : '';
  return <Loading text={`${texts.restore.checking} ${seen}`} />;
}
