/** What happens to what is there: files that differ, files that the point lacks, and the way back. */
import type { VNode } from 'preact';
import { CheckField, ChoiceField } from '../../parts/field.js';
import { texts } from '../../texts.js';
import { canUndo } from './restore-draft.js';
import type { StepProps } from './what-step.js';

const conflicts = ['overwrite', 'keep-newer', 'keep-existing', 'rename'] as const;
const orphans = ['leave', 'move-aside', 'delete'] as const;

export function HowStep({ draft, change }: Pick<StepProps, 'draft' | 'change'>): VNode {
  const undoable = canUndo(draft);
  return (
    <>
      <ChoiceField
        label={texts.restore.conflict}
        value={draft.conflict}
        options={conflicts.map((value) => ({ value, label: texts.restore.conflicts[value] }))}
        onValue={(conflict) => {
          change({ conflict });
        }}
      />
      <ChoiceField
        label={texts.restore.orphans}
        value={draft.orphans}
        options={orphans.map((value) => ({ value, label: texts.restore.orphanWords[value] }))}
        onValue={(value) => {
          change({ orphans: value });
        }}
      />
      {draft.orphans === 'delete' && <p class="warning">{texts.restore.orphansWarning}</p>}
      <CheckField
        label={texts.restore.undo}
        hint={undoable ? texts.restore.undoHint : texts.restore.undoInPlaceOnly}
        checked={undoable && draft.undoPoint}
        disabled={!undoable}
        onChecked={(undoPoint) => {
          change({ undoPoint });
        }}
      />
    </>
  );
}
