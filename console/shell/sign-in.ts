/** Signing in and out. Throws `ApiFailure` with what the replica said. */
import type { MeAnswer } from '../../shared/api/access.js';
import type { StatusAnswer } from '../../shared/api/status.js';
import { getJson, postJson } from '../api/client.js';
import { asFailure } from '../api/failure.js';
import { type Session, sessionState } from '../api/session.js';

/** Finds out whether the browser still has a session. */
export async function findSession(): Promise<void> {
  try {
    enter(await getJson<MeAnswer>('/v1/me'), null);
  } catch (error) {
    const failure = asFailure(error);
    const unasked = failure.status === 401 || failure.status === 404 ? undefined : failure;
    sessionState.value = { state: 'out', why: 'never', unasked };
  }
}

/** Asks for a session; where the replica gives none, the token itself is used while the page stands. */
export async function signIn(token: string): Promise<void> {
  try {
    enter(await postJson<MeAnswer>('/v1/login', { token }), null);
  } catch (error) {
    if (!noSessions.has(asFailure(error).code)) throw error;
    await getJson<StatusAnswer>('/v1/status', { headers: { authorization: `Bearer ${token}` } });
    enter({ who: 'token', role: 'admin', sets: null }, token);
  }
}

/** What a replica that gives no sessions answers; a wrong token is told by the next request. */
const noSessions = new Set(['not-found', 'unauthorised']);

export async function signOut(): Promise<void> {
  const now = sessionState.peek();
  if (now.state === 'in' && now.session.token === null) await postJson('/v1/logout', {});
  sessionState.value = { state: 'out', why: 'left' };
}

function enter({ who, role, sets }: Omit<Session, 'token'>, token: string | null): void {
  sessionState.value = { state: 'in', session: { who, role, sets, token } };
}
