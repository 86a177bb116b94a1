/** What became of a job: counts, notes, and each thing that went wrong with its path. */
import type { VNode } from 'preact';
import type { JobResult } from '../../../shared/api/jobs.js';
import { formatBytes, formatCount } from '../../parts/format.js';
import { Table } from '../../parts/table.js';
import { texts } from '../../texts.js';

export function JobResultView({ result }: { readonly result: JobResult }): VNode {
  const { text, counts, troubles, troubleCount, notes } = result;
  const shown = Object.entries(counts).filter(([, count]) => count !== 0);
  return (
    <div class="stack">
      <p class="job-text">{text}</p>
      {shown.length > 0 && (
        <ul class="counts">
          {shown.map(([name, count]) => (
            <li key={name}>
              <span class="count-value">{countText(name, count)}</span>
              <span class="count-name">{countName(name)}</span>
            </li>
          ))}
        </ul>
      )}
      {troubleCount > 0 && (
        <div class="stack">
          <h3>{texts.jobs.problems(troubleCount)}</h3>
          {troubles.length < troubleCount && (
            <p class="muted small">{texts.jobs.problemsShown(troubles.length, troubleCount)}</p>
          )}
          <Table
            caption={texts.jobs.problems(troubleCount)}
            columns={[
              {
                key: 'path',
                title: texts.jobs.path,
                cell: ({ path }) => <code>{path ?? ''}</code>,
              },
              {
                key: 'problem',
                title: texts.jobs.problem,
                cell: ({ code, message }) => (
                  <span>
                    {message} <span class="muted small">{code}</span>
                  </span>
                ),
              },
            ]}
            rows={troubles}
            rowKey={({ path, code, message }) => `${path ?? ''} ${code} ${message}`}
            narrow="cards"
          />
        </div>
      )}
      {notes.length > 0 && (
        <div>
          <h3>{texts.jobs.notes}</h3>
          <ul class="notes">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

function countText(name: string, count: number): string {
  return /bytes/i.test(name) ? formatBytes(count) : formatCount(count);
}

function countName(name: string): string {
  const known: Readonly<Record<string, string>> = texts.jobs.counts;
  return known[name] ?? wordsOf(name);
}

/** `bytesWritten` as `bytes written`. */
export function wordsOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
