/**
 * Search by name over all sets and all points, as one types. Everything by keys alone: arrows choose
 * a result, Enter opens it where it was last seen, V shows its versions, R restores it.
 */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { SearchAnswer, SearchResult } from '../../../shared/api/search.js';
import { getJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { TextField } from '../../parts/field.js';
import { formatCount } from '../../parts/format.js';
import { Empty, FailureBox } from '../../parts/states.js';
import type { PageProps } from '../../shell/page-entry.js';
import { go, href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { SearchFiltersForm } from './search-filters.js';
import { filtersOf, type SearchFilters, toAddress, toAsk } from './search-query.js';
import { linksOf, ResultRow } from './result-row.js';

const SETTLED_MS = 120;
const LIMIT = 100;

export function SearchPage({ query }: PageProps): VNode {
  const [text, setText] = useState(query.get('q') ?? '');
  const [filters, setFilters] = useState<SearchFilters>(filtersOf(query));
  const wanted = useSettled(text.trim());
  const answer = useAnswer(
    async (signal) =>
      wanted === ''
        ? undefined
        : await getJson<SearchAnswer>('/v1/search', {
            query: toAsk(wanted, filters, LIMIT),
            signal,
          }),
    ['search', wanted, filters],
  );
  const [last, setLast] = useState<SearchAnswer>();
  const value = answer.state === 'ready' ? answer.value : undefined;
  useEffect(() => {
    if (answer.state === 'ready') setLast(value);
  }, [answer.state, value]);
  useEffect(() => {
    go(href('/search', toAddress(wanted, filters)), 'replace');
  }, [wanted, filters]);
  const page = useRef<HTMLDivElement>(null);
  const shown = wanted === '' ? undefined : last;
  useEffect(() => {
    page.current?.querySelector('input')?.focus();
  }, []);
  return (
    <div
      class="stack"
      ref={page}
      onKeyDown={(event) => {
        moveByKey(event, page.current, shown?.results ?? []);
      }}
    >
      <header class="page-head">
        <h1>{texts.search.title}</h1>
      </header>
      <div class="search-field">
        <TextField
          type="search"
          label={texts.search.label}
          hint={texts.search.hint}
          value={text}
          onValue={setText}
        />
      </div>
      <SearchFiltersForm filters={filters} onFilters={setFilters} />
      {answer.state === 'failed' && <FailureBox failure={answer.failure} onRetry={answer.reload} />}
      <p class="muted small" role="status">
        {answer.state === 'failed' ? '' : statusOf(shown, wanted, answer.state)}
      </p>
      {shown !== undefined && answer.state !== 'failed' && <Results answer={shown} />}
    </div>
  );
}

function statusOf(
  answer: SearchAnswer | undefined,
  wanted: string,
  state: 'loading' | 'ready',
): string {
  if (wanted === '') return texts.search.begin;
  if (answer === undefined) return state === 'loading' ? texts.search.searching : '';
  const { results, sets, tookMs, truncated } = answer;
  const count = texts.search.count(results.length, sets, Math.round(tookMs));
  return truncated ? `${count}. ${texts.search.truncated}` : `${count}.`;
}

function Results({ answer }: { readonly answer: SearchAnswer }): VNode {
  const { results } = answer;
  if (results.length === 0) return <Empty title={texts.search.nothing} />;
  return (
    <section aria-label={`${texts.search.results}: ${formatCount(results.length)}`}>
      <p class="muted small search-keys">{texts.search.keys}</p>
      <ul class="search-results">
        {results.map((result) => (
          <ResultRow key={`${result.set} ${result.path} ${result.node}`} result={result} />
        ))}
      </ul>
    </section>
  );
}

/** The field and the results are one ring for the arrow keys. */
function moveByKey(
  event: KeyboardEvent,
  page: HTMLElement | null,
  results: readonly SearchResult[],
): void {
  if (page === null || event.ctrlKey || event.altKey || event.metaKey) return;
  const links = [...page.querySelectorAll<HTMLElement>('.result-open')];
  const field = page.querySelector<HTMLInputElement>('input[type=search]');
  const { target } = event;
  const row = target instanceof Element ? target.closest('li') : null;
  const at = links.findIndex((link) => row?.contains(link) === true);
  if (at < 0 && target !== field) return;
  if (event.key === 'ArrowDown') links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (event.key === 'ArrowUp') (at > 0 ? links[at - 1] : field)?.focus();
  else if (event.key === 'Enter' && at < 0) links[0]?.click();
  else {
    const result = results[at];
    if (result === undefined) return;
    const links = linksOf(result);
    if (event.key === 'v') go(links.versions);
    else if (event.key === 'r') go(links.restore);
    else return;
  }
  event.preventDefault();
}

/** The text once nobody has typed for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => {
      setSettled(text);
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [text]);
  return settled;
}
