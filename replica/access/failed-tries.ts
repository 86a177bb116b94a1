/**
 * Bounds how often an address may show what is no token. A good token passes whatever others on its
 * address tried: of 256 random bits nobody finds one by trying, and on the worst day nobody must be
 * shut out by a script that has an old token.
 */
import type {} from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AfterimageError } from '../../shared/errors.js';

/** Tries that fail, per address and window. */
export const TRIES_DEFAULT = { max: 10, windowMs: 60_000 } as const;

export interface FailedTries {
  /** Throws `too-many-tries` when as many failed as may: nothing is looked up then. */
  check(request: FastifyRequest): Promise<void>;
  /** Counts one. Throws `too-many-tries` when it was too many. */
  count(request: FastifyRequest): Promise<void>;
}

/** The plugin for limits has to be there already. */
export function createFailedTries(
  app: FastifyInstance,
  { max, windowMs }: { readonly max: number; readonly windowMs: number } = TRIES_DEFAULT,
): FailedTries {
  const limit = app.createRateLimit({ max, timeWindow: windowMs });
  const look = async (request: FastifyRequest, increment: boolean): Promise<void> => {
    const state = await limit(request, { increment });
    if (state.isAllowed) return;
    if (increment ? !state.isExceeded : state.remaining > 0) return;
    const retryAfterS = Math.max(1, state.ttlInSeconds);
    throw new AfterimageError(
      'too-many-tries',
      `${max} tries failed from ${request.ip}; wait ${retryAfterS} s`,
      { facts: { retryAfterS } },
    );
  };
  return {
    check: (request) => look(request, false),
    count: (request) => look(request, true),
  };
}
