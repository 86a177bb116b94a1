/** Why a session takes nothing more, or lets nobody wait. */
import { AfterimageError } from '../../shared/errors.js';

export function sessionClosed(): AfterimageError {
  return new AfterimageError('cancelled', 'the session was closed');
}

export function applicationHeld(): AfterimageError {
  return new AfterimageError('replica-unreachable', 'nothing waits while the application is held');
}
