/**
 * A button for what not everybody may do. Who may not, sees it disabled with the reason beside it:
 * what could be done is part of what a page tells.
 */
import type { VNode } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { Role } from '../../shared/api/access.js';
import { may } from '../api/session.js';
import { notifyFailure } from '../shell/notices.js';
import { texts } from '../texts.js';
import { Button, type ButtonProps } from './button.js';

export interface ActButtonProps extends Omit<ButtonProps, 'onClick' | 'busy'> {
  /** The least role that may do it. */
  readonly role: Role;
  /** While it runs the button is busy; its failure is shown as a notice. */
  readonly onAct: () => unknown;
  /** Another reason why it cannot be pressed now. */
  readonly blocked?: string | undefined;
  /** The reason is shown as a title alone, where many such buttons stand in a table. */
  readonly reason?: 'beside' | 'title';
}

export function ActButton(props: ActButtonProps): VNode {
  const { role, onAct, blocked, reason = 'beside', disabled = false, ...rest } = props;
  const [state, setState] = useState<'ready' | 'acting'>('ready');
  const id = useId();
  const why = may(role) ? blocked : texts.acting.needs(role);
  const onClick = (): void => {
    const acting = onAct();
    if (!(acting instanceof Promise)) return;
    setState('acting');
    acting.catch(notifyFailure).finally(() => {
      setState('ready');
    });
  };
  const button = (
    <Button
      {...rest}
      disabled={disabled || why !== undefined}
      busy={state === 'acting'}
      onClick={onClick}
      {...(why === undefined ? {} : { title: why })}
    />
  );
  if (why === undefined || reason === 'title') return button;
  return (
    <span class="act" aria-describedby={id}>
      {button}
      <span class="act-reason" id={id}>
        {why}
      </span>
    </span>
  );
}
