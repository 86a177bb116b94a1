/** The fields of a policy beside what it would do; nothing is in force until it is saved. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { JobJson } from '../../../shared/api/jobs.js';
import type { Policy, RetentionAnswer } from '../../../shared/api/retention.js';
import { postJson } from '../../api/client.js';
import { ActButton } from '../../parts/act-button.js';
import { Button } from '../../parts/button.js';
import { ConfirmDialog } from '../../parts/confirm-dialog.js';
import { TextField } from '../../parts/field.js';
import { notify } from '../../shell/notices.js';
import { at, go, href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import {
  draftOffered,
  type DraftErrors,
  type PolicyDraft,
  type PolicyField,
  readDraft,
  samePolicy,
  toDraft,
} from './policy-form.js';
import { Simulation } from './simulation.js';

const fields: readonly PolicyField[] = [
  'keepLast',
  'intervalMs',
  'withinMs',
  'hourly',
  'daily',
  'weekly',
  'monthly',
  'yearly',
  'minAgeMs',
];

export interface PolicyEditorProps {
  readonly set: string;
  readonly retention: RetentionAnswer;
  readonly onSaved: () => void;
}

export function PolicyEditor({ set, retention, onSaved }: PolicyEditorProps): VNode {
  const { policy: inForce } = retention;
  const begin = inForce === null ? draftOffered : toDraft(inForce);
  const [draft, setDraft] = useState<PolicyDraft>(begin);
  const [asking, setAsking] = useState<'remove' | 'run'>();
  const { policy, errors } = readDraft(draft);
  const changed = policy === undefined || !samePolicy(policy, inForce);
  const save = async (next: Policy | null): Promise<void> => {
    await postJson(`/v1/sets/${encodeURIComponent(set)}/retention`, { policy: next });
    notify({ kind: 'done', text: texts.policies.saved });
    onSaved();
  };
  return (
    <div class="policy">
      <section class="card stack" aria-label={texts.policies.title}>
        {inForce === null && <p class="muted">{texts.policies.offered}</p>}
        <Fields draft={draft} errors={errors} onDraft={setDraft} />
        <div class="row">
          <ActButton
            kind="primary"
            role="admin"
            disabled={!changed || policy === undefined}
            onAct={() => save(policy ?? null)}
          >
            {texts.policies.save}
          </ActButton>
          {changed && (
            <Button
              onClick={() => {
                setDraft(begin);
              }}
            >
              {texts.policies.reset}
            </Button>
          )}
          {inForce !== null && (
            <ActButton
              role="admin"
              reason="title"
              blocked={changed ? texts.policies.runUnsaved : undefined}
              onAct={() => {
                setAsking('run');
              }}
            >
              {texts.policies.runNow}
            </ActButton>
          )}
          {inForce !== null && (
            <ActButton
              kind="quiet"
              role="admin"
              reason="title"
              onAct={() => {
                setAsking('remove');
              }}
            >
              {texts.policies.remove}
            </ActButton>
          )}
        </div>
        {changed && inForce !== null && <p class="muted small">{texts.policies.unsaved}</p>}
      </section>
      <Simulation set={set} policy={policy} inForce={inForce} />
      {asking === 'remove' && (
        <ConfirmDialog
          title={texts.policies.remove}
          verb={texts.policies.remove}
          onClose={() => {
            setAsking(undefined);
          }}
          onConfirm={() => save(null)}
        >
          <p>{texts.policies.removeSure}</p>
        </ConfirmDialog>
      )}
      {asking === 'run' && (
        <ConfirmDialog
          title={texts.policies.runNow}
          verb={texts.policies.runNow}
          name={set}
          onClose={() => {
            setAsking(undefined);
          }}
          onConfirm={async () => {
            const job = await postJson<JobJson>('/v1/jobs', {
              kind: 'prune',
              set,
              effect: 'remove',
            });
            go(href(at`/jobs/${job.id}`));
          }}
        >
          <p>{texts.policies.runSure}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}

interface FieldsProps {
  readonly draft: PolicyDraft;
  readonly errors: DraftErrors;
  readonly onDraft: (draft: PolicyDraft) => void;
}

function Fields({ draft, errors, onDraft }: FieldsProps): VNode {
  return (
    <div class="policy-fields">
      {fields.map((field) => {
        const error = errors[field];
        return (
          <TextField
            key={field}
            label={texts.policies.fields[field]}
            hint={texts.policies.hints[field]}
            error={error === undefined ? undefined : texts.policies.errors[error]}
            value={draft[field]}
            onValue={(value) => {
              onDraft({ ...draft, [field]: value });
            }}
          />
        );
      })}
      {errors.all !== undefined && (
        <p class="field-error" role="alert">
          {texts.policies.errors[errors.all]}
        </p>
      )}
    </div>
  );
}
