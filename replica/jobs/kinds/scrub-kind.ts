/** Follows a round of scrubbing, begun or gone on with for it, until the round has ended. */
import { setTimeout as delay } from 'node:timers/promises';
import { scrubJobSchema } from '../../../shared/api/jobs.js';
import type { ScrubStatus } from '../../../shared/api/scrub.js';
import { AfterimageError } from '../../../shared/errors.js';
import { throwIfCancelled } from '../../../shared/restore/cancelled.js';
import { findSet } from '../../serve/requests.js';
import type { ScrubControl } from '../../serve/served-set.js';
import { type AnyJobKind, jobKind } from '../job-kind.js';
import type { KindDeps } from './kind-deps.js';

const LOOK_MS = 500;

export function scrubKind({ sets }: Pick<KindDeps, 'sets'>): AnyJobKind {
  const scrubOf = (set: string): ScrubControl => {
    const { scrub } = findSet(sets(), set);
    if (scrub !== undefined) return scrub;
    throw new AfterimageError('not-found', `set ${set} is not scrubbed here`, { facts: { set } });
  };
  return jobKind({
    kind: 'scrub',
    schema: scrubJobSchema,
    role: 'operator',
    about: 'set',
    effect: 'reads',
    // The round keeps its own place on disk.
    afterInterruption: 'goes-on',
    settle: (set, request) => {
      scrubOf(set);
      return request;
    },
    target: (set) => `scrub:${set}`,
    run: async ({ set, request, saved, attempt, signal, isInterrupted, progress, say, save }) => {
      const scrub = scrubOf(set);
      const before = attempt > 1 && typeof saved === 'number' ? saved : lastNumber(scrub.status());
      save(before);
      if (request.bytesPerSecond !== undefined) scrub.setRate(request.bytesPerSecond);
      if (lastNumber(scrub.status()) <= before) scrub.begin();
      for (;;) {
        const status = scrub.status();
        if (lastNumber(status) > before) return resultOf(status);
        if (status.round !== null) {
          const { stage, bytes, bytesTotal } = status.round;
          progress({ step: stage, bytes, bytesTotal: Math.max(bytes, bytesTotal) });
        }
        await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) {
          if (!isInterrupted()) {
            scrub.pause();
            say('the round is paused where it stood; resume this job, or scrubbing, to go on');
          }
          throwIfCancelled(signal);
        }
        if (scrub.summary().state === 'paused') {
          throw new AfterimageError('cancelled', `scrubbing ${set} was paused`);
        }
      }
    },
  });
}

function lastNumber({ last }: ScrubStatus): number {
  return last?.number ?? 0;
}

function resultOf({ last, damage, damaged, findings, notes }: ScrubStatus) {
  const { bytes = 0, found = 0, repaired = 0 } = last ?? {};
  const troubles = [
    ...damage.map(({ path, block, state }) => ({
      path,
      code: 'damaged',
      message: `block ${block} does not match its digest${state === 'wanted' ? '; asked of the agent' : ''}`,
    })),
    ...notes.map(({ path, message }) => ({ path, code: 'damaged', message })),
  ];
  return {
    text: `${found} damaged blocks found, ${repaired} repaired; ${damaged} damaged now`,
    counts: { bytes, found, repaired, damaged, findings },
    troubles: troubles.slice(0, 100),
    troubleCount: damaged + notes.length,
    notes: [],
  };
}
