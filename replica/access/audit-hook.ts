/**
 * Writes an entry of the audit for every request that changes something, for every read of contents
 * that leaves the replica, and for what was refused. The entry is durable before the answer begins.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { accessIfAny } from './access.js';
import type { AuditLog } from './audit-log.js';
import { auditNoteOf, problemOf } from './audit-note.js';
import { isSafeMethod } from './own-origin.js';
import { ReadTally } from './read-tally.js';

const refusals = new Set([401, 403, 429]);
/** What was refused where nothing would have been recorded otherwise. */
const REFUSED = 'refused';
const NOBODY = 'nobody';

export function registerAudit(
  app: FastifyInstance,
  deps: { readonly audit: AuditLog; readonly monotonic: () => number },
): void {
  const tally = new ReadTally(deps);
  const recorded = new WeakSet<FastifyRequest>();
  const record = (request: FastifyRequest, status: number): void => {
    const action = actionOf(request, status);
    if (action === undefined || recorded.has(request)) return;
    recorded.add(request);
    tally.take(entryOf(request, { action, status }));
  };
  app.addHook('onSend', (request, reply, _payload, done) => {
    record(request, reply.statusCode);
    done();
  });
  // Answers that a route writes itself pass no other hook.
  app.addHook('onResponse', (request, reply, done) => {
    record(request, reply.raw.statusCode);
    done();
  });
  app.addHook('onClose', (_app, done) => {
    tally.close();
    done();
  });
}

function actionOf(request: FastifyRequest, status: number): string | undefined {
  const { config, url } = request.routeOptions;
  if (config.audit === false) return undefined;
  if (config.audit !== undefined) return config.audit;
  const changes = !isSafeMethod(request.method) && url?.startsWith('/v1/') === true;
  if (changes && config.describe !== undefined) return `${request.method} ${url}`;
  return refusals.has(status) ? REFUSED : undefined;
}

function entryOf(
  request: FastifyRequest,
  { action, status }: { readonly action: string; readonly status: number },
): Parameters<AuditLog['append']>[0] {
  const params = request.params as { readonly set?: string; readonly point?: string };
  const caller = accessIfAny(request);
  const note = auditNoteOf(request);
  const point = note.point ?? params.point;
  const what = `${request.method} ${request.routeOptions.url ?? '(no route)'}`;
  return {
    who: caller?.who ?? NOBODY,
    role: caller?.role ?? null,
    address: request.ip,
    action,
    set: note.set ?? params.set ?? null,
    point: point === undefined ? null : String(point),
    detail: note.detail ?? (action === REFUSED ? what : ''),
    status,
    code: problemOf(request),
  };
}
