/** The changes between two points, as many as are asked for, with the counts of all. */
import { useEffect, useState } from 'preact/hooks';
import type { DiffLine, DiffSummary } from '../../../shared/api/changes.js';
import { getLines } from '../../api/client.js';
import { type ApiFailure, asFailure, isAbort } from '../../api/failure.js';
import { at } from '../../shell/router.js';

export interface Changes {
  readonly lines: readonly DiffLine[];
  /** Of all changes, those that were left out too; undefined until the end. */
  readonly summary: DiffSummary | undefined;
  readonly failure: ApiFailure | undefined;
}

export interface ChangesOf {
  readonly set: string;
  readonly from: string;
  readonly to: string;
  readonly path: string;
  readonly limit: number;
}

/** Lines are shown in such batches while they come. */
const BATCH_LINES = 200;
const nothing: Changes = { lines: [], summary: undefined, failure: undefined };

export function useChanges(of: ChangesOf | undefined): Changes {
  const [changes, setChanges] = useState(nothing);
  useEffect(() => {
    setChanges(nothing);
    if (of === undefined) return undefined;
    const leaving = new AbortController();
    read(of, { signal: leaving.signal, show: setChanges }).catch((error: unknown) => {
      if (isAbort(error) || leaving.signal.aborted) return;
      setChanges((last) => ({ ...last, failure: asFailure(error) }));
    });
    return () => {
      leaving.abort();
    };
  }, [JSON.stringify(of)]);
  return changes;
}

async function read(
  { set, from, to, path, limit }: ChangesOf,
  { signal, show }: { readonly signal: AbortSignal; readonly show: (changes: Changes) => void },
): Promise<void> {
  const query = { from, to, limit, summary: 'with', ...(path === '' ? {} : { path }) };
  const lines: DiffLine[] = [];
  let summary: DiffSummary | undefined;
  const url = at`/v1/sets/${set}/diff`;
  for await (const line of getLines<DiffLine | DiffSummary>(url, { query, signal })) {
    if (line.type === 'summary') summary = line;
    else lines.push(line);
    if (lines.length % BATCH_LINES === 0) {
      show({ lines: [...lines], summary, failure: undefined });
    }
  }
  show({ lines, summary, failure: undefined });
}
