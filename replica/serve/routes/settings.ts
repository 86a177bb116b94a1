/** What this replica is set to: for a console, and for whoever looks into why it does what it does. */
import os from 'node:os';
import type { FastifyInstance } from 'fastify';
import { type SettingsAnswer, settingsSchema } from '../../../shared/api/access.js';
import type { RouteContext } from '../route-context.js';

export function registerSettings(app: FastifyInstance, context: RouteContext): void {
  const { options, startedMs } = context;
  app.get(
    '/v1/settings',
    {
      config: {
        role: 'operator',
        describe: {
          summary: 'The configuration in force without secrets, versions, paths, missing parts',
          tag: 'status',
          answer: settingsSchema,
        },
      },
    },
    (): SettingsAnswer => ({
      version: options.version,
      node: process.version,
      host: os.hostname(),
      startedMs,
      url: context.url() ?? '',
      tls: options.tls !== undefined,
      ...(options.settings?.() ?? { settings: [], paths: [], missing: [] }),
    }),
  );
}
