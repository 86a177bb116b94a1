/**
 * Who is signed in. With sessions (POST /v1/login) the browser keeps a cookie that no script reads; a
 * replica without them gets the token as a header, held in memory only. This file holds the state;
 * console/shell/sign-in.ts changes it.
 */
import { signal } from '@preact/signals';
import type { Role } from '../../shared/api/access.js';
import type { ApiFailure } from './failure.js';

export interface Session {
  readonly who: string;
  readonly role: Role;
  /** Sets that may be seen; null means all. */
  readonly sets: readonly string[] | null;
  /** Sent with every request where there is no cookie. */
  readonly token: string | null;
}

/** `unknown` until the first answer. */
export type SessionState =
  | { readonly state: 'unknown' }
  | {
      readonly state: 'out';
      readonly why: 'never' | 'ended' | 'left';
      /** The replica could not say whether somebody is signed in: they may well be. */
      readonly unasked?: ApiFailure | undefined;
    }
  | { readonly state: 'in'; readonly session: Session };

export const sessionState = signal<SessionState>({ state: 'unknown' });

const ranks: Readonly<Record<Role, number>> = { viewer: 0, operator: 1, admin: 2 };

/** Whether who is signed in may do what asks for `role`. */
export function may(role: Role): boolean {
  const now = sessionState.value;
  return now.state === 'in' && ranks[now.session.role] >= ranks[role];
}

/** Headers that a request needs. */
export function credentials(): Record<string, string> {
  const now = sessionState.peek();
  if (now.state !== 'in' || now.session.token === null) return {};
  return { authorization: `Bearer ${now.session.token}` };
}

/** The replica says that nobody is signed in. */
export function lostSession(): void {
  if (sessionState.peek().state === 'in') sessionState.value = { state: 'out', why: 'ended' };
}
