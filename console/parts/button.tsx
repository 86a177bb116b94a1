/** Buttons, and links that look like them. One `primary` a view; `danger` is for what cannot be undone. */
import type { ComponentChildren, VNode } from 'preact';

export type ButtonKind = 'plain' | 'primary' | 'danger' | 'quiet';

export interface ButtonProps {
  readonly kind?: ButtonKind;
  readonly type?: 'button' | 'submit';
  readonly onClick?: (event: MouseEvent) => void;
  readonly disabled?: boolean;
  /** Shows that it works on it, and takes no further press. */
  readonly busy?: boolean;
  /** What it is called where it shows a sign only. */
  readonly label?: string;
  readonly title?: string;
  readonly expanded?: boolean;
  readonly pressed?: boolean;
  readonly class?: string;
  readonly children: ComponentChildren;
}

export function Button(props: ButtonProps): VNode {
  const { kind = 'plain', type = 'button', disabled = false, busy = false } = props;
  return (
    <button
      type={type}
      class={`button ${kind} ${props.class ?? ''}`}
      disabled={disabled || busy}
      {...(busy ? { 'aria-busy': true } : {})}
      {...(props.label === undefined ? {} : { 'aria-label': props.label })}
      {...(props.title === undefined ? {} : { title: props.title })}
      {...(props.expanded === undefined ? {} : { 'aria-expanded': props.expanded })}
      {...(props.pressed === undefined ? {} : { 'aria-pressed': props.pressed })}
      {...(props.onClick === undefined ? {} : { onClick: props.onClick })}
    >
      {busy && <span class="spinner" aria-hidden="true" />}
      {props.children}
    </button>
  );
}

export interface LinkButtonProps {
  readonly href: string;
  readonly kind?: ButtonKind;
  /** The file name to save as; the browser saves instead of going there. */
  readonly download?: string;
  readonly title?: string;
  readonly children: ComponentChildren;
}

export function LinkButton({ href, kind = 'plain', children, ...rest }: LinkButtonProps): VNode {
  return (
    <a class={`button ${kind}`} href={href} {...rest}>
      {children}
    </a>
  );
}
