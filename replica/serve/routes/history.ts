/** What is asked of many points at once: timeline, versions, search, comparison, trials of policies. */
import type { FastifyInstance } from 'fastify';
import type { RouteContext } from '../route-context.js';
import { registerSearch } from './search.js';
import { registerSimulate } from './simulate.js';
import { registerTextDiff } from './text-diff.js';
import { registerTimeline } from './timeline.js';
import { registerVersions } from './versions.js';

export function registerHistory(app: FastifyInstance, context: RouteContext): void {
  registerTimeline(app, context);
  registerVersions(app, context);
  registerSearch(app, context);
  registerTextDiff(app, context);
  registerSimulate(app, context);
}
