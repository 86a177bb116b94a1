/** Scrubbing of a set: how it stands, and what an operator asks of it. */
import type { FastifyInstance } from 'fastify';
import {
  scrubRequestSchema,
  type ScrubStatus,
  scrubStatusSchema,
} from '../../../shared/api/scrub.js';
import { AfterimageError } from '../../../shared/errors.js';
import { checked, findSet, type SetParams } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import type { ScrubControl } from '../served-set.js';

export function registerScrub(app: FastifyInstance, context: RouteContext): void {
  const { sets } = context.options;

  app.get<{ Params: SetParams }>(
    '/v1/sets/:set/scrub',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'How scrubbing of a set stands',
          tag: 'actions',
          answer: scrubStatusSchema,
        },
      },
    },
    (request): ScrubStatus => scrubOf(request.params.set).status(),
  );

  app.post<{ Params: SetParams }>(
    '/v1/sets/:set/scrub',
    {
      config: {
        role: 'operator',
        audit: 'scrub',
        describe: {
          summary: 'Begins, pauses or resumes scrubbing of a set',
          tag: 'actions',
          body: scrubRequestSchema,
          answer: scrubStatusSchema,
        },
      },
    },
    (request): ScrubStatus => {
      const { action, bytesPerSecond } = checked(scrubRequestSchema, request.body ?? {});
      const scrub = scrubOf(request.params.set);
      if (bytesPerSecond !== undefined) scrub.setRate(bytesPerSecond);
      scrub[action]();
      return scrub.status();
    },
  );

  function scrubOf(set: string): ScrubControl {
    const { scrub } = findSet(sets(), set);
    if (scrub !== undefined) return scrub;
    throw new AfterimageError('not-found', `set ${set} is not scrubbed here`, { facts: { set } });
  }
}
