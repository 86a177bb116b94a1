/** What operators did: a page at a time, newest first, by who, what, set and time; and all of it as a file. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { AuditAnswer, AuditEntry } from '../../../shared/api/audit.js';
import { type ApiQuery, apiUrl, getJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { ActButton } from '../../parts/act-button.js';
import { Button } from '../../parts/button.js';
import { TextField } from '../../parts/field.js';
import { formatTime } from '../../parts/format.js';
import { Mark } from '../../parts/marks.js';
import { SetSelect, useStatus } from '../../parts/set-select.js';
import { Answered, Empty } from '../../parts/states.js';
import { type Column, Table } from '../../parts/table.js';
import { notifyFailure } from '../../shell/notices.js';
import type { PageProps } from '../../shell/page-entry.js';
import { go, hrefHere } from '../../shell/router.js';
import { saveAnswer } from '../../api/save-answer.js';
import { texts } from '../../texts.js';

const PAGE_ENTRIES = 100;

export function AuditPage({ query }: PageProps): VNode {
  const filter = filterOf(query);
  const answer = useAnswer(
    (signal) =>
      getJson<AuditAnswer>('/v1/audit', { query: { ...filter, limit: PAGE_ENTRIES }, signal }),
    ['audit', filter],
  );
  const [older, setOlder] = useState<AuditAnswer>();
  const first = answer.state === 'ready' ? answer.value : undefined;
  useEffect(() => {
    setOlder(undefined);
  }, [first]);
  const next = older === undefined ? first?.next : older.next;
  const more = async (before: number): Promise<void> => {
    const page = await getJson<AuditAnswer>('/v1/audit', {
      query: { ...filter, limit: PAGE_ENTRIES, before },
    });
    setOlder((now) => ({ ...page, entries: [...(now?.entries ?? []), ...page.entries] }));
  };
  return (
    <div class="stack">
      <header class="page-head">
        <div>
          <h1>{texts.audit.title}</h1>
          <p class="muted">{texts.audit.intro}</p>
        </div>
        <Exports filter={filter} />
      </header>
      <Filters query={query} />
      <Answered answer={answer}>
        {({ entries }) =>
          entries.length === 0 ? (
            <Empty title={texts.audit.empty} />
          ) : (
            <Table
              caption={texts.audit.title}
              columns={columns}
              rows={[...entries, ...(older?.entries ?? [])]}
              rowKey={({ id }) => id}
              narrow="cards"
            />
          )
        }
      </Answered>
      {next != null && (
        <div class="row">
          <Button
            onClick={() => {
              more(next).catch(notifyFailure);
            }}
          >
            {texts.audit.older}
          </Button>
        </div>
      )}
    </div>
  );
}

function filterOf(query: URLSearchParams): ApiQuery {
  const time = (name: string): number | undefined => {
    const ms = Date.parse(query.get(name) ?? '');
    return Number.isNaN(ms) ? undefined : ms;
  };
  return {
    who: query.get('who') ?? undefined,
    action: query.get('action') ?? undefined,
    set: query.get('set') ?? undefined,
    fromMs: time('from'),
    toMs: time('to'),
  };
}

function Exports({ filter }: { readonly filter: ApiQuery }): VNode {
  const save = (format: 'ndjson' | 'csv') => () =>
    saveAnswer(apiUrl('/v1/audit/export', { ...filter, format }), `audit.${format}`);
  return (
    <div class="row">
      <ActButton role="admin" onAct={save('ndjson')}>
        {texts.audit.exportLines}
      </ActButton>
      <ActButton role="admin" onAct={save('csv')}>
        {texts.audit.exportCsv}
      </ActButton>
    </div>
  );
}

const fields = ['who', 'action', 'set', 'from', 'to'] as const;

function Filters({ query }: { readonly query: URLSearchParams }): VNode {
  const given = Object.fromEntries(fields.map((name) => [name, query.get(name) ?? '']));
  const [draft, setDraft] = useState<Readonly<Record<string, string>>>(given);
  const status = useStatus();
  const sets = status.state === 'ready' ? status.value.sets.map(({ set }) => set) : [];
  const change = (name: (typeof fields)[number]) => (value: string) => {
    setDraft((now) => ({ ...now, [name]: value }));
  };
  const text = (name: (typeof fields)[number]): string => draft[name] ?? '';
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        const values = fields.map((name) => [name, text(name) === '' ? undefined : text(name)]);
        go(hrefHere(Object.fromEntries(values) as Record<string, string | undefined>), 'replace');
      }}
    >
      <TextField label={texts.audit.who} value={text('who')} onValue={change('who')} />
      <TextField label={texts.audit.action} value={text('action')} onValue={change('action')} />
      <SetSelect
        sets={sets}
        value={text('set')}
        every={texts.acting.anySet}
        onValue={change('set')}
      />
      <TextField
        type="datetime-local"
        label={texts.audit.from}
        value={text('from')}
        onValue={change('from')}
      />
      <TextField
        type="datetime-local"
        label={texts.audit.to}
        value={text('to')}
        onValue={change('to')}
      />
      <div class="row">
        <Button type="submit">{texts.audit.apply}</Button>
        <Button
          kind="quiet"
          onClick={() => {
            setDraft({});
            go(hrefHere(Object.fromEntries(fields.map((name) => [name, undefined]))), 'replace');
          }}
        >
          {texts.audit.clear}
        </Button>
      </div>
    </form>
  );
}

const columns: readonly Column<AuditEntry>[] = [
  {
    key: 'time',
    title: texts.audit.time,
    cell: ({ timeMs }) => <span class="number">{formatTime(timeMs)}</span>,
  },
  {
    key: 'who',
    title: texts.audit.who,
    cell: ({ who, role }) => (
      <span>
        {who} {role !== null && <span class="muted small">{role}</span>}
      </span>
    ),
  },
  { key: 'action', title: texts.audit.action, cell: ({ action }) => <code>{action}</code> },
  {
    key: 'on',
    title: texts.audit.on,
    cell: ({ set, point }) =>
      set === null ? '' : point === null ? set : texts.audit.point(set, point),
  },
  {
    key: 'detail',
    title: texts.audit.detail,
    cell: ({ detail }) => <span class="audit-detail">{detail}</span>,
  },
  {
    key: 'result',
    title: texts.audit.result,
    cell: ({ status, code }) => (
      <Mark tone={status < 400 ? 'good' : 'bad'}>{code ?? String(status)}</Mark>
    ),
  },
  { key: 'address', title: texts.audit.address, cell: ({ address }) => address },
];
