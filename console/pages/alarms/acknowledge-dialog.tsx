/** Says that somebody has looked: what it was, and whether the hold that the alarm made stays. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AcknowledgeRequest, AlarmJson } from '../../../shared/api/alarms.js';
import { postJson } from '../../api/client.js';
import { type ApiFailure, asFailure } from '../../api/failure.js';
import { Button } from '../../parts/button.js';
import { Dialog } from '../../parts/dialog.js';
import { ChoiceField, TextField } from '../../parts/field.js';
import { FailureBox } from '../../parts/states.js';
import { texts } from '../../texts.js';

export interface AcknowledgeDialogProps {
  readonly alarm: AlarmJson;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

export function AcknowledgeDialog({ alarm, onClose, onDone }: AcknowledgeDialogProps): VNode {
  const [note, setNote] = useState('');
  const [action, setAction] = useState<AcknowledgeRequest['action']>('keep');
  const [state, setState] = useState<'asking' | 'acting'>('asking');
  const [failure, setFailure] = useState<ApiFailure>();
  const { hold } = alarm.facts;
  const acknowledge = (): void => {
    setState('acting');
    const body = { action, ...(note.trim() === '' ? {} : { note: note.trim() }) };
    postJson(`/v1/alarms/${encodeURIComponent(alarm.id)}/acknowledge`, body).then(
      () => {
        onDone();
        onClose();
      },
      (error: unknown) => {
        setState('asking');
        setFailure(asFailure(error));
      },
    );
  };
  return (
    <Dialog
      title={texts.alarms.acknowledgeOne(alarm.id)}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{texts.acting.cancel}</Button>
          <Button kind="primary" busy={state === 'acting'} onClick={acknowledge}>
            {texts.alarms.acknowledge}
          </Button>
        </>
      }
    >
      <p>{alarm.text}</p>
      <TextField
        label={texts.alarms.note}
        hint={texts.alarms.noteHint}
        value={note}
        onValue={setNote}
        rows={3}
      />
      {hold != null && (
        <ChoiceField
          label={texts.alarms.held(hold)}
          value={action}
          options={[
            { value: 'keep', label: texts.alarms.keep },
            { value: 'release', label: texts.alarms.release },
          ]}
          onValue={setAction}
        />
      )}
      {failure !== undefined && <FailureBox failure={failure} />}
    </Dialog>
  );
}
