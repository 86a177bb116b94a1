/** The search as the address has it, and as the API is asked. Pure. */
import type { ApiQuery } from '../../api/client.js';
import type { Query } from '../../shell/router.js';

export const searchKinds = ['file', 'folder', 'symlink'] as const;
export const filterNames = ['set', 'kind', 'ext', 'from', 'to', 'min', 'max', 'live'] as const;
export type FilterName = (typeof filterNames)[number];
/** '' where a filter is not used. */
export type SearchFilters = Readonly<Record<FilterName, string>>;

export function filtersOf(query: URLSearchParams): SearchFilters {
  const filters = Object.fromEntries(filterNames.map((name) => [name, query.get(name) ?? '']));
  return filters as Record<FilterName, string>;
}

/** How many filters are used. */
export function usedFilters(filters: SearchFilters): number {
  return filterNames.filter((name) => filters[name] !== '').length;
}

/** What the address keeps. */
export function toAddress(text: string, filters: SearchFilters): Query {
  const used = filterNames.map((name) => [name, filters[name] === '' ? undefined : filters[name]]);
  return { q: text === '' ? undefined : text, ...Object.fromEntries(used) } as Query;
}

/** `q` and the rest as `GET /v1/search` takes them; sizes that are no numbers are left out. */
export function toAsk(text: string, filters: SearchFilters, limit: number): ApiQuery {
  const given = (value: string): string | undefined => (value === '' ? undefined : value);
  const size = (value: string): number | undefined =>
    /^\d+$/.test(value.trim()) ? Number(value) : undefined;
  // A field for dates gives local time without a zone; the replica's may be another.
  const time = (value: string): string | undefined => {
    const ms = Date.parse(value);
    return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
  };
  const ext = filters.ext.trim().replace(/^\./, '');
  return {
    q: text,
    set: given(filters.set),
    kind: given(filters.kind),
    ext: given(ext),
    from: time(filters.from),
    to: time(filters.to),
    sizeMin: size(filters.min),
    sizeMax: size(filters.max),
    live: given(filters.live),
    limit,
  };
}
