/** Tells work done for a request that nobody waits for its answer any more. */
import type { FastifyReply } from 'fastify';

/** Aborted when the client is gone (or the answer was sent). */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => {
    gone.abort();
  });
  return gone.signal;
}
