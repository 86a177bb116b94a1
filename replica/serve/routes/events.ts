/**
 * What happens, as server-sent events. The bytes of an event are made once for all who listen; one that
 * does not keep up is cut off, and comes back with the id of what it had last.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  EVENT_STREAM_TYPE,
  type EventName,
  eventsQuerySchema,
  HEARTBEAT_MS,
  helloEventSchema,
} from '../../../shared/api/events.js';
import type { z } from 'zod';
import { AfterimageError } from '../../../shared/errors.js';
import { accessOf, requireSet } from '../../access/access.js';
import type { HubEvent } from '../../jobs/event-hub.js';
import { checked } from '../requests.js';
import type { RouteContext } from '../route-context.js';

const LISTENERS_MAX = 500;
/** What may wait for a listener that takes it slowly. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** How soon a browser comes back, ms. */
const RETRY_MS = 2000;
const BEAT = Buffer.from(': still here\n\n');

export function registerEvents(app: FastifyInstance, context: RouteContext): void {
  const { events, clock, version } = context.options;
  if (events === undefined) return;
  const open = new Set<ServerResponse>();
  const heartbeat = setInterval(() => {
    for (const raw of open) send(raw, BEAT);
  }, HEARTBEAT_MS).unref();
  context.closing.addEventListener('abort', () => {
    clearInterval(heartbeat);
    for (const raw of open) raw.end();
  });

  app.get(
    '/v1/events',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Server-sent events: job, point, set, alarm',
          tag: 'events',
          query: eventsQuerySchema,
          content: EVENT_STREAM_TYPE,
        },
      },
    },
    async (request, reply) => {
      const query = checked(eventsQuerySchema, request.query);
      if (query.set !== undefined) requireSet(request, query.set);
      if (open.size >= LISTENERS_MAX) {
        throw new AfterimageError('too-many-listeners', `${open.size} listen already`);
      }
      const wants = wantsOf(request, query);
      reply.hijack();
      const { raw } = reply;
      open.add(raw);
      raw.writeHead(200, {
        'content-type': EVENT_STREAM_TYPE,
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      const deliver = (bytes: Buffer): void => {
        send(raw, bytes);
      };
      const listening = events.listen({ wants, deliver }, lastIdOf(request) ?? query.lastEventId);
      raw.once('close', () => {
        listening.stop();
        open.delete(raw);
      });
      const { resumed, id, missed } = listening;
      const hello: z.infer<typeof helloEventSchema> = { resumed, nowMs: clock.now(), version };
      // The id comes last: whoever is cut off before it asks for what was missed once more.
      raw.write(`retry: ${RETRY_MS}\nevent: hello\ndata: ${JSON.stringify(hello)}\n\n`);
      if (missed.length > 0) raw.write(missed);
      raw.write(`id: ${id}\n\n`);
      return await reply;
    },
  );
}

/** A listener that does not keep up is dropped. */
function send(raw: ServerResponse, bytes: Buffer): void {
  if (raw.destroyed) return;
  raw.write(bytes);
  if (raw.writableLength > WAITING_BYTES_MAX) raw.destroy();
}

function lastIdOf(request: FastifyRequest): string | undefined {
  const header = request.headers['last-event-id'];
  return typeof header === 'string' ? header : undefined;
}

/** Undefined for a listener that wants and may see everything. */
function wantsOf(
  request: FastifyRequest,
  {
    set,
    types,
  }: { readonly set?: string | undefined; readonly types?: readonly EventName[] | undefined },
): ((event: HubEvent) => boolean) | undefined {
  const { sets, canSee } = accessOf(request);
  if (sets === null && set === undefined && types === undefined) return undefined;
  return (event) => {
    if (types?.includes(event.name) === false) return false;
    // What is of the whole replica is for those who see all of it.
    if (event.set === null) return sets === null && set === undefined;
    return set === undefined ? canSee(event.set) : event.set === set;
  };
}
