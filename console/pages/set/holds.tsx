/** Holds of a point: those it has, and the dialog that makes one. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { HoldJson, ReleaseAnswer, RetentionAnswer } from '../../../shared/api/retention.js';
import { postJson } from '../../api/client.js';
import { type ApiFailure, asFailure } from '../../api/failure.js';
import type { Answer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { Button } from '../../parts/button.js';
import { ConfirmDialog } from '../../parts/confirm-dialog.js';
import { Dialog } from '../../parts/dialog.js';
import { TextField } from '../../parts/field.js';
import { formatTime } from '../../parts/format.js';
import { FailureBox, Pending } from '../../parts/states.js';
import { notify } from '../../shell/notices.js';
import { at } from '../../shell/router.js';
import { texts } from '../../texts.js';

export interface HoldsProps {
  readonly set: string;
  readonly point: number;
  readonly retention: Answer<RetentionAnswer>;
}

export function Holds({ point, retention }: HoldsProps): VNode {
  const [leaving, setLeaving] = useState<HoldJson>();
  if (retention.state !== 'ready') return <Pending answer={retention} />;
  const holds = retention.value.holds.filter((hold) => hold.point === point);
  if (holds.length === 0) return <>{texts.set.point.noHolds}</>;
  return (
    <>
      <ul class="holds">
        {holds.map((hold) => (
          <li key={hold.hold}>
            <span>
              {hold.reason}
              <span class="muted small block">
                {hold.hold}, {formatTime(hold.timeMs)}
              </span>
            </span>
            <ActButton
              role="admin"
              reason="title"
              kind="quiet"
              onAct={() => {
                setLeaving(hold);
              }}
            >
              {texts.set.point.release}
            </ActButton>
          </li>
        ))}
      </ul>
      {leaving !== undefined && (
        <ConfirmDialog
          title={texts.set.hold.releaseTitle(leaving.hold)}
          verb={texts.set.point.release}
          onClose={() => {
            setLeaving(undefined);
          }}
          onConfirm={async () => {
            await postJson<ReleaseAnswer>('/v1/holds/release', { hold: leaving.hold });
            notify({ kind: 'done', text: texts.set.hold.released(leaving.hold) });
            retention.reload();
          }}
        >
          <p>{leaving.reason}</p>
          <p class="muted">{texts.set.hold.releaseText(point)}</p>
        </ConfirmDialog>
      )}
    </>
  );
}

export interface HoldDialogProps {
  readonly set: string;
  readonly point: number;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

export function HoldDialog({ set, point, onClose, onDone }: HoldDialogProps): VNode {
  const [reason, setReason] = useState('');
  const [state, setState] = useState<'asking' | 'acting'>('asking');
  const [failure, setFailure] = useState<ApiFailure>();
  const words = texts.set.hold;
  const submit = (): void => {
    setState('acting');
    setFailure(undefined);
    postJson<HoldJson>(at`/v1/sets/${set}/holds`, {
      point: String(point),
      reason: reason.trim(),
    }).then(
      () => {
        notify({ kind: 'done', text: words.done(point) });
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
      title={words.title(point)}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{texts.words.cancel}</Button>
          <Button
            kind="primary"
            disabled={reason.trim() === ''}
            busy={state === 'acting'}
            onClick={submit}
          >
            {words.submit}
          </Button>
        </>
      }
    >
      <p>{words.text}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (reason.trim() !== '') submit();
        }}
      >
        <TextField
          label={words.reason}
          hint={words.reasonHint}
          value={reason}
          onValue={setReason}
        />
      </form>
      {failure !== undefined && <FailureBox failure={failure} />}
    </Dialog>
  );
}
