/** A folder of a point, read page by page as it is scrolled; bounded, whatever the folder holds. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ListAnswer, ListedNode } from '../../../shared/api/tree.js';
import { getJson } from '../../api/client.js';
import { type ApiFailure, asFailure, isAbort } from '../../api/failure.js';
import { at } from '../../shell/router.js';

const PAGE_ENTRIES = 2000;
const PAGE_ENTRIES_ALL = 10_000;
/** Entries that are held at most. */
export const ENTRIES_MAX = 200_000;

export interface Folder {
  readonly entries: readonly ListedNode[];
  readonly state: 'loading' | 'partial' | 'whole' | 'full';
  readonly failure: ApiFailure | undefined;
  /** Asks for the next page, unless it is asked for already. */
  readonly more: () => void;
  readonly all: () => void;
}

interface Shown {
  /** Which folder it is of: another one is asked for before anything of it can be shown. */
  readonly of: string;
  readonly entries: readonly ListedNode[];
  readonly next: string | null | undefined;
  readonly failure: ApiFailure | undefined;
}

/** One reading of the folder, until the page shows another one. */
interface Reader {
  readonly signal: AbortSignal;
  state: 'idle' | 'reading';
  entries: readonly ListedNode[];
  /** Where the next page begins; undefined before the first, null after the last. */
  next: string | null | undefined;
}

const nothing: Shown = { of: '', entries: [], next: undefined, failure: undefined };

export function useFolder(place: {
  readonly set: string;
  readonly point: string;
  readonly path: string;
}): Folder {
  const { set, point, path } = place;
  const of = JSON.stringify([set, point, path]);
  const [last, setShown] = useState<Shown>(nothing);
  const shown = last.of === of ? last : nothing;
  const reader = useRef<Reader | undefined>(undefined);

  const readPage = useCallback(
    async (now: Reader, limit: number): Promise<void> => {
      const query = { path, limit, after: now.next ?? undefined };
      const url = at`/v1/sets/${set}/points/${point}/ls`;
      const page = await getJson<ListAnswer>(url, { query, signal: now.signal });
      now.entries = [...now.entries, ...page.entries];
      now.next = page.next;
      // Whoever is shown its end asks for more at once: that must not meet a reading that is over.
      if (limit === PAGE_ENTRIES || !hasMore(now)) now.state = 'idle';
      setShown({ of, entries: now.entries, next: now.next, failure: undefined });
    },
    [of],
  );

  const read = useCallback(
    async (manner: 'page' | 'all') => {
      const now = reader.current;
      if (now === undefined || now.state === 'reading' || now.next === null) return;
      now.state = 'reading';
      try {
        if (manner === 'page') await readPage(now, PAGE_ENTRIES);
        else while (hasMore(now)) await readPage(now, PAGE_ENTRIES_ALL);
      } catch (error) {
        if (!isAbort(error)) {
          setShown({ of, entries: now.entries, next: now.next, failure: asFailure(error) });
        }
      } finally {
        now.state = 'idle';
      }
    },
    [readPage, of],
  );

  useEffect(() => {
    const leaving = new AbortController();
    setShown(nothing);
    reader.current = {
      signal: leaving.signal,
      state: 'idle',
      entries: [],
      next: undefined,
    };
    void read('page');
    return () => {
      leaving.abort();
    };
  }, [read]);

  const full = shown.entries.length >= ENTRIES_MAX;
  const more = useCallback(() => {
    if (!full) void read('page');
  }, [read, full]);
  const all = useCallback(() => {
    if (!full) void read('all');
  }, [read, full]);
  const state =
    shown.next === undefined
      ? 'loading'
      : shown.next === null
        ? 'whole'
        : full
          ? 'full'
          : 'partial';
  return { entries: shown.entries, state, failure: shown.failure, more, all };
}

function hasMore({ next, entries }: Reader): boolean {
  return next !== null && entries.length < ENTRIES_MAX;
}
