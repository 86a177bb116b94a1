/** Asks for a token. The token is in the replica's data folder, or was given by an admin. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { type ApiFailure, asFailure } from '../api/failure.js';
import { Button } from '../parts/button.js';
import { TextField } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { FailureBox } from '../parts/states.js';
import { texts } from '../texts.js';
import { findSession, signIn } from './sign-in.js';

export interface SignInPageProps {
  readonly why: 'never' | 'ended' | 'left';
  /** Why it is not known whether there is a session. */
  readonly unasked: ApiFailure | undefined;
}

export function SignInPage({ why, unasked }: SignInPageProps): VNode {
  const [token, setToken] = useState('');
  const [asking, setAsking] = useState<'no' | 'yes'>('no');
  const [failure, setFailure] = useState<ApiFailure>();
  const submit = (event: Event): void => {
    event.preventDefault();
    setAsking('yes');
    setFailure(undefined);
    signIn(token.trim()).catch((error: unknown) => {
      setAsking('no');
      setFailure(asFailure(error));
    });
  };
  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit}>
        <h1 class="brand">
          <Icon name="brand" />
          <span>{texts.shell.product}</span>
        </h1>
        {why !== 'never' && <p class="muted">{texts.signIn.why[why]}</p>}
        {unasked !== undefined && failure === undefined && (
          <>
            <p>{texts.signIn.unasked}</p>
            <FailureBox
              failure={unasked}
              onRetry={() => {
                void findSession();
              }}
            />
          </>
        )}
        <TextField
          label={texts.signIn.token}
          hint={texts.signIn.tokenHint}
          type="password"
          autocomplete="current-password"
          value={token}
          onValue={setToken}
        />
        {failure !== undefined && <FailureBox failure={failure} />}
        <Button kind="primary" type="submit" disabled={token.trim() === ''} busy={asking === 'yes'}>
          {texts.signIn.submit}
        </Button>
      </form>
    </main>
  );
}
