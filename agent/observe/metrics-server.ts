/**
 * Tells metrics and health of the agent over HTTP, on a listener of its own that is off unless it is
 * configured. Without a token: it is bound where only those who may know can connect.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address } from '../../shared/config/address.js';
import { AfterimageError, asAfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { ErrorCounts } from '../../shared/observe/error-counts.js';
import { MetricFamilies } from '../../shared/observe/metric-families.js';
import { addProcessMetrics } from '../../shared/observe/process-metrics.js';
import type { AgentStatus } from '../schedule/status-file.js';
import { addAgentMetrics } from './agent-metrics.js';

export interface MetricsServerOptions {
  readonly listen: Address;
  readonly status: () => AgentStatus;
  readonly brokerConnected: () => boolean;
  readonly errors: ErrorCounts;
  readonly version: string;
  readonly hashCore: string;
  readonly log: Log;
}

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

const REQUEST_MS_MAX = 10_000;
const CONNECTIONS_MAX = 32;

/** Throws `config-invalid` when the address cannot be listened at. */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const families = new MetricFamilies();
  const { status, log } = options;
  const stop = addProcessMetrics(families, { ...options, startedMs: status().startedMs });
  addAgentMetrics(families, () => status().sets);
  const server = createServer((request, response) => {
    answer(request, response, { families, ...options }).catch((error: unknown) => {
      log.error('metrics could not be told', asAfterimageError(error));
      response.destroy();
    });
  });
  server.requestTimeout = REQUEST_MS_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  const { host, port } = options.listen;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      resolve();
    });
  }).catch((cause: unknown) => {
    stop();
    throw new AfterimageError('config-invalid', `metrics cannot listen at ${host}:${port}`, {
      cause,
    });
  });
  const at = server.address() as AddressInfo;
  const shown = at.family === 'IPv6' ? `[${at.address}]` : at.address;
  return {
    url: `http://${shown}:${at.port}`,
    async close() {
      stop();
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  {
    families,
    status,
    brokerConnected,
  }: MetricsServerOptions & { readonly families: MetricFamilies },
): Promise<void> {
  const path = request.url?.split('?')[0];
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (isRead && path === '/metrics') {
    send(response, { code: 200, type: families.contentType, body: await families.text() });
  } else if (isRead && path === '/healthz') {
    sendJson(response, 200, { status: 'ok' });
  } else if (isRead && path === '/readyz') {
    const readiness = agentReadiness(status(), { isBrokerConnected: brokerConnected() });
    sendJson(response, readiness.ready ? 200 : 503, readiness);
  } else {
    sendJson(response, isRead ? 404 : 405, { status: 'not found' });
  }
}

interface ReadyCheck {
  readonly check: 'sets' | 'storage' | 'broker' | 'replica';
  readonly ok: boolean;
  readonly reason: string;
}

/** Whether changes can become points now. */
export function agentReadiness(
  { sets }: AgentStatus,
  { isBrokerConnected }: { readonly isBrokerConnected: boolean },
): { readonly ready: boolean; readonly checks: readonly ReadyCheck[] } {
  const away = sets.filter(({ live }) => !live).length;
  const stalled = sets.filter((set) => set.stalled !== null).length;
  const checks = [
    check('sets', sets.length > 0, 'no set is open'),
    check('storage', stalled === 0, `${stalled} sets are stalled`),
    check('broker', isBrokerConnected, 'the broker is not connected'),
    check('replica', away === 0, `the replica does not answer for ${away} sets`),
  ];
  return { ready: checks.every(({ ok }) => ok), checks };
}

function check(name: ReadyCheck['check'], ok: boolean, reason: string): ReadyCheck {
  return { check: name, ok, reason: ok ? '' : reason };
}

function sendJson(response: ServerResponse, code: number, body: unknown): void {
  send(response, { code, type: 'application/json', body: JSON.stringify(body) });
}

function send(
  response: ServerResponse,
  { code, type, body }: { readonly code: number; readonly type: string; readonly body: string },
): void {
  response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
}
