/** Points that stay whatever the policy says, each with its reason; a new hold, and release. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { HoldJson } from '../../../shared/api/retention.js';
import { postJson } from '../../api/client.js';
import { ActButton } from '../../parts/act-button.js';
import { ConfirmDialog } from '../../parts/confirm-dialog.js';
import { TextField } from '../../parts/field.js';
import { formatTime } from '../../parts/format.js';
import { Table } from '../../parts/table.js';
import { pointLink } from '../../shell/links.js';

import { texts } from '../../texts.js';

export interface HoldsProps {
  readonly set: string;
  readonly holds: readonly HoldJson[];
  readonly onChange: () => void;
}

export function Holds({ set, holds, onChange }: HoldsProps): VNode {
  const [leaving, setLeaving] = useState<HoldJson>();
  return (
    <section class="card stack" aria-labelledby="holds">
      <h2 id="holds">{texts.policies.holds}</h2>
      {holds.length === 0 ? (
        <p class="muted">{texts.policies.holdsNone}</p>
      ) : (
        <HoldTable set={set} holds={holds} onRelease={setLeaving} />
      )}
      <AddHold set={set} onChange={onChange} />
      {leaving !== undefined && (
        <ConfirmDialog
          title={texts.policies.releaseOne(leaving.hold)}
          verb={texts.policies.release}
          onClose={() => {
            setLeaving(undefined);
          }}
          onConfirm={async () => {
            await postJson('/v1/holds/release', { hold: leaving.hold });
            onChange();
          }}
        >
          <p>{texts.policies.releaseSure(leaving.hold, leaving.point)}</p>
        </ConfirmDialog>
      )}
    </section>
  );
}

interface HoldTableProps {
  readonly set: string;
  readonly holds: readonly HoldJson[];
  readonly onRelease: (hold: HoldJson) => void;
}

function HoldTable({ set, holds, onRelease }: HoldTableProps): VNode {
  return (
    <Table
      caption={texts.policies.holds}
      columns={[
        {
          key: 'point',
          title: texts.policies.point,
          cell: ({ point }) => <a href={pointLink(set, point)}>{point}</a>,
        },
        { key: 'reason', title: texts.policies.reason, cell: ({ reason }) => reason },
        {
          key: 'since',
          title: texts.policies.since,
          cell: ({ timeMs }) => <span class="number">{formatTime(timeMs)}</span>,
        },
        { key: 'hold', title: texts.policies.hold, cell: ({ hold }) => hold },
        {
          key: 'actions',
          title: texts.agents.actions,
          cell: (hold) => (
            <ActButton
              role="admin"
              reason="title"
              label={texts.policies.releaseOne(hold.hold)}
              onAct={() => {
                onRelease(hold);
              }}
            >
              {texts.policies.release}
            </ActButton>
          ),
        },
      ]}
      rows={holds}
      rowKey={({ hold }) => hold}
      narrow="cards"
    />
  );
}

function AddHold({ set, onChange }: Omit<HoldsProps, 'holds'>): VNode {
  const [point, setPoint] = useState('latest');
  const [reason, setReason] = useState('');
  const add = async (): Promise<void> => {
    const body = { point: point.trim(), reason: reason.trim() };
    await postJson<HoldJson>(`/v1/sets/${encodeURIComponent(set)}/holds`, body);
    setReason('');
    onChange();
  };
  return (
    <form
      class="filters"
      aria-label={texts.policies.addHold}
      onSubmit={(event) => {
        event.preventDefault();
      }}
    >
      <TextField
        label={texts.policies.addPoint}
        hint={texts.policies.addPointHint}
        value={point}
        onValue={setPoint}
      />
      <TextField
        label={texts.policies.reason}
        hint={texts.policies.addReasonHint}
        value={reason}
        onValue={setReason}
      />
      <ActButton
        role="operator"
        type="submit"
        disabled={point.trim() === '' || reason.trim() === ''}
        onAct={add}
      >
        {texts.policies.add}
      </ActButton>
    </form>
  );
}
