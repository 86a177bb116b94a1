/** Search as one types, over all sets that the caller may see. */
import type { FastifyInstance } from 'fastify';
import {
  type SearchAnswer,
  type SearchQuery,
  searchQuerySchema,
  type SearchResult,
  searchSchema,
} from '../../../shared/api/search.js';
import { AfterimageError } from '../../../shared/errors.js';
import { toPathText } from '../../../shared/path-text.js';
import { accessOf } from '../../access/access.js';
import { compareFound, type FoundName, type SearchFor } from '../../history/search.js';
import { parseSearch } from '../../history/search-text.js';
import { goneSignal } from '../gone-signal.js';
import { checked, findPoint, findSet } from '../requests.js';
import type { RouteContext } from '../route-context.js';
import type { ServedSet } from '../served-set.js';

/** Of a whole search, less what the answer takes. */
const SEARCH_MS = 60;
/** A set gets at least so much, however many there are. */
const SET_MS_MIN = 10;

interface Ranked {
  readonly set: string;
  readonly found: FoundName;
}

export function registerSearch(app: FastifyInstance, context: RouteContext): void {
  const { sets } = context.options;

  app.get(
    '/v1/search',
    {
      config: {
        role: 'viewer',
        describe: {
          summary: 'Names over all sets and points that fit, best first',
          tag: 'contents',
          query: searchQuerySchema,
          answer: searchSchema,
        },
      },
    },
    async (request, reply): Promise<SearchAnswer> => {
      const startMs = performance.now();
      const query = checked(searchQuerySchema, request.query);
      const { canSee } = accessOf(request);
      const all = sets().filter(({ reader }) => canSee(reader.set));
      const asked = query.set?.map((name) => findSet(all, name)) ?? all;
      const signal = AbortSignal.any([context.closing, goneSignal(reply)]);
      const found: Ranked[] = [];
      let truncated = false;
      let left = asked.length;
      for (const served of asked) {
        const remainingMs = startMs + SEARCH_MS - performance.now();
        const deadlineMs = performance.now() + Math.max(SET_MS_MIN, remainingMs / left);
        left -= 1;
        const wanted = wantedOf(query, { served, deadlineMs, signal });
        const page = wanted === undefined ? undefined : await served.reader.search?.(wanted);
        if (page === undefined) continue;
        truncated ||= page.truncated;
        for (const each of page.found) found.push({ set: served.reader.set, found: each });
      }
      const best = found.sort((a, b) => compareFound(a.found, b.found)).slice(0, query.limit);
      return {
        q: query.q,
        results: best.map(presentResult),
        truncated: truncated || best.length < found.length,
        sets: asked.length,
        tookMs: Math.round((performance.now() - startMs) * 10) / 10,
      };
    },
  );
}

/** Undefined where the set has no point in the range. */
function wantedOf(
  query: SearchQuery,
  of: { readonly served: ServedSet; readonly deadlineMs: number; readonly signal: AbortSignal },
): SearchFor | undefined {
  const { served, deadlineMs, signal } = of;
  const { kind, ext, sizeMin, sizeMax, live, limit } = query;
  const newest = served.reader.newest()?.point;
  const from = query.from === undefined ? 0 : (pointOf(served, query.from) ?? 0);
  const to = query.to === undefined ? newest : pointOf(served, query.to);
  if (to === undefined || from > to) return undefined;
  return {
    text: parseSearch(query.q),
    ...(kind === undefined ? {} : { kind }),
    ...(ext === undefined ? {} : { ext: ext.toLowerCase().replace(/^\./, '') }),
    ...(sizeMin === undefined ? {} : { sizeMin }),
    ...(sizeMax === undefined ? {} : { sizeMax }),
    ...(live === undefined ? {} : { live: live === 'true' }),
    ...{ from, to, limit, deadlineMs, signal },
  };
}

/** A time before a set's oldest point, or a number that it lacks, is no mistake where many are asked. */
function pointOf(served: ServedSet, selector: string): number | undefined {
  try {
    return findPoint(served, selector).point;
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'not-found') return undefined;
    throw error;
  }
}

function presentResult({ set, found }: Ranked): SearchResult {
  const { kind, node, size, firstPoint, lastPoint, lastMs, live, match } = found;
  return {
    set,
    path: toPathText(found.path),
    name: toPathText(found.name),
    ...{ kind, node, size, mtimeNs: found.mtimeNs.toString() },
    ...{ firstPoint, lastPoint, lastMs, live, match },
  };
}
