/** What stands where an answer is not there: loading, failed with its hint, empty. */
import type { ComponentChildren, VNode } from 'preact';
import type { ApiFailure } from '../api/failure.js';
import type { Answer, AnswerState } from '../api/use-answer.js';
import { texts } from '../texts.js';
import { Button } from './button.js';
import { Icon } from './icon.js';

export function Loading({ text = texts.words.loading }: { readonly text?: string }): VNode {
  return (
    <p class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      {text}
    </p>
  );
}

export interface EmptyProps {
  readonly title: string;
  readonly hint?: ComponentChildren;
  readonly action?: ComponentChildren;
}

export function Empty({ title, hint, action }: EmptyProps): VNode {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {hint !== undefined && <p class="muted">{hint}</p>}
      {action}
    </div>
  );
}

export interface FailureBoxProps {
  readonly failure: ApiFailure;
  readonly onRetry?: () => void;
}

/** A failure of the API: what happened, what to do, its code. */
export function FailureBox({ failure, onRetry }: FailureBoxProps): VNode {
  return (
    <div class="failure-box" role="alert">
      <Icon name="alarm" />
      <div>
        <p class="failure-text">{failure.message}</p>
        {failure.hint !== '' && <p>{failure.hint}</p>}
        <p class="failure-code">{failure.code}</p>
      </div>
      {onRetry !== undefined && <Button onClick={onRetry}>{texts.words.retry}</Button>}
    </div>
  );
}

/** In a line of facts: that one is not known yet, or that asking for it failed. */
export function Pending({ answer }: { readonly answer: AnswerState<unknown> }): VNode {
  if (answer.state !== 'failed') return <span class="muted">{texts.words.loading}</span>;
  const { message, code } = answer.failure;
  return (
    <span class="fact-failed" role="alert" title={code}>
      {texts.words.notAnswered}: {message}
    </span>
  );
}

export interface AnsweredProps<Value> {
  readonly answer: Answer<Value>;
  readonly children: (value: Value) => ComponentChildren;
  /** Shown while loading, instead of the usual. */
  readonly loading?: ComponentChildren;
}

/** The answer as `children` shows it, or how it stands with it. */
export function Answered<Value>({ answer, children, loading }: AnsweredProps<Value>): VNode {
  if (answer.state === 'loading') return <>{loading ?? <Loading />}</>;
  if (answer.state === 'failed') {
    return <FailureBox failure={answer.failure} onRetry={answer.reload} />;
  }
  return <>{children(answer.value)}</>;
}
