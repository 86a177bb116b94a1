/** A dry run for reading: a number for each outcome, the worst first, and the paths behind them. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { SelectField, TextField } from '../../parts/field.js';
import { formatBytes, formatCount } from '../../parts/format.js';
import { Table } from '../../parts/table.js';
import { texts } from '../../texts.js';
import { filterEntries, isDestructive, type Outcome, outcomes, type Planned } from './planned.js';

const ROWS_MAX = 500;

/** How much content would be written, as far as it is known. */
export function contentText({ bytes, leftOut }: Planned): string {
  const text = formatBytes(bytes);
  return leftOut > 0 ? texts.restore.atLeast(text) : text;
}

export function PlannedView({ planned }: { readonly planned: Planned }): VNode {
  const { counts, notes, troubles, troubleCount } = planned;
  const { deleted } = counts;
  const written = counts.overwritten + counts.aside + counts.attributes + counts.new;
  return (
    <div class="stack">
      <p class={isDestructive(planned) ? 'loses' : ''}>
        <strong>
          {isDestructive(planned)
            ? `${texts.restore.willLose(counts.overwritten, deleted)}.`
            : texts.restore.nothingLost}
        </strong>{' '}
        {written + deleted === 0
          ? texts.restore.nothingToDo
          : texts.restore.summary(written, contentText(planned))}
      </p>
      <ul class="outcomes">
        {outcomes
          .filter((outcome) => counts[outcome] > 0)
          .map((outcome) => (
            <li key={outcome} class={outcome} data-outcome={outcome}>
              <span class="count-value">{formatCount(counts[outcome])}</span>
              <span class="count-name">{texts.restore.outcomes[outcome]}</span>
              <span class="muted small">{texts.restore.outcomeHints[outcome]}</span>
            </li>
          ))}
      </ul>
      {troubleCount > 0 && (
        <div class="warning">
          <div>
            <strong>{texts.restore.problems(troubleCount)}</strong>
            <ul class="notes">
              {troubles.map(({ path, code, message }) => (
                <li key={`${path ?? ''} ${code} ${message}`}>
                  <code>{path}</code> {message}
                </li>
              ))}
            </ul>
          </div>
        </div>
      )}
      {notes.length > 0 && (
        <ul class="notes">
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      {planned.entries.length > 0 && <Entries planned={planned} />}
    </div>
  );
}

function Entries({ planned }: { readonly planned: Planned }): VNode {
  const [text, setText] = useState('');
  const [outcome, setOutcome] = useState<Outcome | ''>('');
  const { shown, matching } = filterEntries(planned.entries, {
    text,
    outcome: outcome === '' ? undefined : outcome,
    max: ROWS_MAX,
  });
  const present = outcomes.filter((one) => planned.entries.some((entry) => entry.outcome === one));
  return (
    <section class="stack planned-entries" aria-label={texts.restore.list}>
      <div class="filters">
        <TextField type="search" label={texts.restore.filter} value={text} onValue={setText} />
        <SelectField
          label={texts.restore.outcome}
          value={outcome}
          options={[
            { value: '', label: texts.acting.all },
            ...present.map((value) => ({ value, label: texts.restore.outcomes[value] })),
          ]}
          onValue={setOutcome}
        />
      </div>
      <p class="muted small" role="status">
        {texts.restore.listed(shown.length, matching)}
        {planned.leftOut > 0 && ` ${texts.restore.leftOut(planned.leftOut)}`}
      </p>
      <Table
        caption={texts.restore.list}
        columns={[
          {
            key: 'outcome',
            title: texts.restore.outcome,
            cell: (entry) => (
              <span class={`outcome ${entry.outcome}`}>
                {texts.restore.outcomes[entry.outcome]}
              </span>
            ),
          },
          {
            key: 'path',
            title: texts.restore.path,
            cell: ({ path, metadata }) => (
              <span>
                <code class="path">{path}</code>
                {metadata !== undefined && metadata.length > 0 && (
                  <span class="muted small"> {metadata.join(', ')}</span>
                )}
              </span>
            ),
          },
          {
            key: 'size',
            title: texts.restore.size,
            kind: 'number',
            cell: ({ bytes }) => (bytes === 0 ? '' : formatBytes(bytes)),
          },
        ]}
        rows={shown}
        rowKey={({ action, path }) => `${action} ${path}`}
      />
    </section>
  );
}
