/** Where the files go: the replica's machine, the application server, or this computer. */
import type { VNode } from 'preact';
import { ChoiceField, TextField } from '../../parts/field.js';
import { texts } from '../../texts.js';
import { may } from '../../api/session.js';
import type { Way } from './restore-draft.js';
import type { StepProps } from './what-step.js';

const ways: readonly Way[] = ['agent', 'replica', 'download'];

export function WhereStep({ draft, change, facts, faults }: StepProps): VNode {
  const { status, roots } = facts;
  const blocked: Partial<Record<Way, string>> = {};
  if (!may('operator')) {
    blocked.agent = texts.acting.needs('operator');
    blocked.replica = texts.acting.needs('operator');
  } else {
    if (status?.agent == null) blocked.agent = texts.restore.agentUnknown;
    else if (!status.agentConnected) blocked.agent = texts.restore.agentAway;
    if (roots?.length === 0) blocked.replica = texts.restore.noRoots;
  }
  return (
    <>
      <ChoiceField
        label={texts.restore.steps.where}
        value={draft.way}
        options={ways.map((value) => ({
          value,
          label: texts.restore.ways[value],
          hint: blocked[value] ?? texts.restore.wayHints[value],
          disabled: blocked[value] !== undefined,
        }))}
        onValue={(way) => {
          change({ way });
        }}
      />
      {draft.way === 'replica' && (
        <TextField
          label={texts.restore.folder}
          hint={
            roots !== null && roots.length > 0
              ? `${texts.restore.folderHint}. ${texts.restore.roots}: ${roots.join(', ')}`
              : texts.restore.folderHint
          }
          error={faults.includes('folder') ? texts.restore.needFolder : undefined}
          value={draft.folder}
          onValue={(folder) => {
            change({ folder });
          }}
        />
      )}
      {draft.way === 'agent' && <AgentPlace draft={draft} change={change} faults={faults} />}
      {draft.way === 'download' && (
        <ChoiceField
          label={texts.restore.format}
          hint={texts.restore.downloadHint}
          value={draft.format}
          options={[
            { value: 'tar', label: texts.restore.formats.tar },
            { value: 'zip', label: texts.restore.formats.zip },
          ]}
          onValue={(format) => {
            change({ format });
          }}
        />
      )}
    </>
  );
}

function AgentPlace({ draft, change, faults }: Omit<StepProps, 'facts'>): VNode {
  return (
    <>
      <ChoiceField
        label={texts.restore.place}
        value={draft.place}
        options={[
          { value: 'beside', label: texts.restore.places.beside },
          {
            value: 'in-place',
            label: texts.restore.places['in-place'],
            hint: texts.restore.inPlaceWarning,
          },
        ]}
        onValue={(place) => {
          change({ place });
        }}
      />
      {draft.place === 'beside' && (
        <TextField
          label={texts.restore.beside}
          hint={texts.restore.besideHint}
          error={faults.includes('beside') ? texts.restore.needBeside : undefined}
          value={draft.beside}
          onValue={(beside) => {
            change({ beside });
          }}
        />
      )}
    </>
  );
}
