/** A session whose waits end when a sync is stopped: a replica that is away holds nobody up. */
import type { SyncRecord } from '../../shared/protocol/records.js';
import type { SetSession } from '../ship/session.js';

export type PlanSession = Pick<SetSession, 'write' | 'has' | 'signature' | 'live'>;

export function stoppable(session: PlanSession, signal: AbortSignal): PlanSession {
  return {
    get live() {
      return session.live;
    },
    write(record: SyncRecord) {
      const wait = session.write(record);
      return wait === undefined ? undefined : orStopped(wait, signal);
    },
    has: (digests) => orStopped(session.has(digests), signal),
    signature: (request) => orStopped(session.signature(request), signal),
  };
}

/** Rejects with the signal's reason once it is aborted. */
export function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', stop);
    });
  });
}
