/** Why a session takes nothing more, or lets nobody wait. */
import { AfterimageError } from '../../shared/errors.js';

export function sessionClosed(): AfterimageError {
  return new AfterimageError('cancelled', 'the session was closed');
}

export function applicationHeld(): AfterimageError {
  return new AfterimageError('replica-unreachable', 'nothing waits while the application is held');
}

export function keysChange(): AfterimageError {
  return new AfterimageError('session-stale', 'keys change: hello is said again');
}

export function tokenShown(): AfterimageError {
  return new AfterimageError('session-stale', 'another machine shows the token of this set');
}

export function positionLeft(): AfterimageError {
  return new AfterimageError('session-stale', 'the set went on while hello travelled');
}

export function brokerAway(): AfterimageError {
  return new AfterimageError('broker-unreachable', 'the broker is away');
}
