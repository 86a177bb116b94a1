/** A sync that an operator asks the set's agent for; its progress comes from sync-follower.ts. */
import { randomUUID } from 'node:crypto';
import { syncJobSchema } from '../../../shared/api/jobs.js';
import { AfterimageError } from '../../../shared/errors.js';
import { askedPoint, askWhenThere } from '../../serve/asked-point.js';
import { findSet } from '../../serve/requests.js';
import { type AnyJobKind, jobKind } from '../job-kind.js';
import type { KindDeps } from './kind-deps.js';

export function syncKind({ sets }: Pick<KindDeps, 'sets'>): AnyJobKind {
  return jobKind({
    kind: 'sync',
    schema: syncJobSchema,
    role: 'operator',
    about: 'set',
    effect: 'reads',
    // Asked twice is synced twice, which costs little and harms nothing.
    afterInterruption: 'begins-again',
    settle: (set, request) => {
      if (findSet(sets(), set).activity().agentConnected) return request;
      throw new AfterimageError('agent-away', `the agent of set ${set} is not connected`);
    },
    run: async ({ set, signal, say }) => {
      const served = findSet(sets(), set);
      const request = randomUUID();
      const asked = askedPoint(served, { request, signal });
      try {
        await askWhenThere(served, {
          request,
          signal,
          onAway: () => {
            say('the agent is away; it is asked when it is back');
          },
        });
      } catch (error) {
        asked.drop();
        throw error;
      }
      if (!signal.aborted) say('the agent was asked for a sync');
      const point = await asked.point;
      if (point === null) {
        throw new AfterimageError(
          'cancelled',
          'nobody waits any more; the agent syncs all the same',
        );
      }
      const { unreadable } = point.outcome;
      return {
        text: `point ${point.point} was cut`,
        counts: {
          point: point.point,
          changedNodes: point.changedNodes,
          changedBytes: point.changedBytes,
        },
        troubles: unreadable.slice(0, 100).map((path) => ({
          path,
          code: 'file-unreadable',
          message: 'the agent could not read it',
        })),
        troubleCount: unreadable.length,
        notes: [],
      };
    },
  });
}
