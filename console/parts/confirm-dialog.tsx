/**
 * Asks before what cannot be taken back. Where much is at stake the name of what is meant has to be
 * typed, so that nobody confirms by habit.
 */
import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import { type ApiFailure, asFailure } from '../api/failure.js';
import { texts } from '../texts.js';
import { Button } from './button.js';
import { Dialog } from './dialog.js';
import { TextField } from './field.js';
import { FailureBox } from './states.js';

export interface ConfirmDialogProps {
  readonly title: string;
  /** The word on the button that does it. */
  readonly verb: string;
  /** Has to be typed first. */
  readonly name?: string | undefined;
  /** Closes the dialog when it went well; its failure is shown inside. */
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function ConfirmDialog(props: ConfirmDialogProps): VNode {
  const { title, verb, name, onConfirm, onClose, children } = props;
  const [typed, setTyped] = useState('');
  const [state, setState] = useState<'asking' | 'acting'>('asking');
  const [failure, setFailure] = useState<ApiFailure>();
  const ready = name === undefined || typed.trim() === name;
  const confirm = (): void => {
    setState('acting');
    setFailure(undefined);
    onConfirm().then(onClose, (error: unknown) => {
      setState('asking');
      setFailure(asFailure(error));
    });
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{texts.acting.cancel}</Button>
          <Button kind="danger" disabled={!ready} busy={state === 'acting'} onClick={confirm}>
            {verb}
          </Button>
        </>
      }
    >
      {children}
      {name !== undefined && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (ready) confirm();
          }}
        >
          <TextField label={texts.acting.typeName(name)} value={typed} onValue={setTyped} />
        </form>
      )}
      {failure !== undefined && <FailureBox failure={failure} />}
    </Dialog>
  );
}
