/** What differs between two points: how many changes of each kind, and the changes themselves. */
import type { VNode } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { DiffLine, DiffSummary } from '../../../shared/api/changes.js';
import { Button } from '../../parts/button.js';
import { TextField } from '../../parts/field.js';
import { formatBytes, formatCount } from '../../parts/format.js';
import { Empty, FailureBox, Loading } from '../../parts/states.js';
import { VirtualList } from '../../parts/virtual-list.js';
import { compareLink, nameOf, pointLink, setLink } from '../../shell/links.js';
import type { PageProps } from '../../shell/page-entry.js';
import { go, href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { useChanges } from './use-changes.js';

const words = texts.compare;
const kinds = ['added', 'removed', 'content', 'metadata', 'kind'] as const;
const LIMITS = [1000, 10_000, 100_000];
const ROW_HEIGHT = 34;

export function ComparePage({ params, query }: PageProps): VNode {
  const { set = '' } = params;
  const from = query.get('from') ?? '';
  const to = query.get('to') ?? '';
  const path = query.get('path') ?? '';
  return (
    <div class="stack">
      <header class="set-head">
        <nav class="crumbs" aria-label={texts.words.crumbs}>
          <a href={href('/')}>{texts.nav.sets}</a>
          <span aria-hidden="true">/</span>
          <a href={setLink(set)}>{set}</a>
        </nav>
        <h1>{from === '' || to === '' ? words.title(set) : words.heading(from, to)}</h1>
      </header>
      <Asking key={`${from}-${to}-${path}`} set={set} from={from} to={to} path={path} />
      {from === '' || to === '' ? (
        <Empty title={words.missing} hint={words.missingHint} />
      ) : (
        <Differences key={`${from}-${to}-${path}`} set={set} from={from} to={to} path={path} />
      )}
    </div>
  );
}

interface ComparedProps {
  readonly set: string;
  readonly from: string;
  readonly to: string;
  readonly path: string;
}

function Asking(props: ComparedProps): VNode {
  const [from, setFrom] = useState(props.from);
  const [to, setTo] = useState(props.to);
  const [path, setPath] = useState(props.path);
  return (
    <form
      class="card compare-form"
      onSubmit={(event) => {
        event.preventDefault();
        const points = { from: Number(from), to: Number(to), path };
        if (points.from > 0 && points.to > 0) go(compareLink(props.set, points));
      }}
    >
      <TextField label={words.from} type="number" value={from} onValue={setFrom} />
      <TextField label={words.to} type="number" value={to} onValue={setTo} />
      <TextField label={words.path} value={path} onValue={setPath} />
      <Button type="submit">{words.swap}</Button>
    </form>
  );
}

function Differences({ set, from, to, path }: ComparedProps): VNode {
  const [step, setStep] = useState(0);
  const [kind, setKind] = useState<DiffLine['change']>();
  const [filter, setFilter] = useState('');
  const limit = LIMITS[step] ?? 1000;
  const { lines, summary, failure } = useChanges({ set, from, to, path, limit });
  const shown = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return lines.filter(
      (line) =>
        (kind === undefined || line.change === kind) && line.path.toLowerCase().includes(wanted),
    );
  }, [lines, kind, filter]);
  if (failure !== undefined) return <FailureBox failure={failure} />;
  if (summary === undefined && lines.length === 0) return <Loading />;
  const total = totalOf(summary, lines.length);
  if (total === 0) return <Empty title={words.none} />;
  return (
    <section class="card changes" aria-label={words.label}>
      <div class="changes-bar">
        <KindButtons summary={summary} kind={kind} total={total} onKind={setKind} />
        <TextField label={words.filter} type="search" value={filter} onValue={setFilter} />
      </div>
      {summary !== undefined && (
        <p class="muted small" role="status">
          {summary.leftOut > 0
            ? words.shownOf(formatCount(lines.length), formatCount(total))
            : words.shown(formatCount(total))}
          {'. '}
          {words.bytes(formatBytes(summary.bytesAdded), formatBytes(summary.bytesRemoved))}{' '}
          {summary.leftOut > 0 && step < LIMITS.length - 1 && (
            <Button
              kind="quiet"
              onClick={() => {
                setStep(step + 1);
              }}
            >
              {words.more}
            </Button>
          )}
        </p>
      )}
      {shown.length === 0 ? (
        <Empty title={words.noneFits} />
      ) : (
        <ChangeList set={set} from={from} to={to} lines={shown} />
      )}
    </section>
  );
}

function totalOf(summary: DiffSummary | undefined, loaded: number): number {
  if (summary === undefined) return loaded;
  return kinds.reduce((sum, kind) => sum + summary[kind], 0);
}

interface KindButtonsProps {
  readonly summary: DiffSummary | undefined;
  readonly kind: DiffLine['change'] | undefined;
  readonly total: number;
  readonly onKind: (kind: DiffLine['change'] | undefined) => void;
}

function KindButtons({ summary, kind, total, onKind }: KindButtonsProps): VNode {
  return (
    <span class="segments" role="group" aria-label={words.columns.change}>
      <Button
        kind="quiet"
        pressed={kind === undefined}
        onClick={() => {
          onKind(undefined);
        }}
      >
        {words.all} <span class="muted number">{formatCount(total)}</span>
      </Button>
      {kinds.map((one) => (
        <Button
          key={one}
          kind="quiet"
          pressed={kind === one}
          disabled={summary?.[one] === 0}
          onClick={() => {
            onKind(one);
          }}
        >
          {words.changes[one]}{' '}
          <span class="muted number">{summary === undefined ? '' : formatCount(summary[one])}</span>
        </Button>
      ))}
    </span>
  );
}

interface ChangeListProps {
  readonly set: string;
  readonly from: string;
  readonly to: string;
  readonly lines: readonly DiffLine[];
}

function ChangeList({ set, from, to, lines }: ChangeListProps): VNode {
  const [active, setActive] = useState(0);
  const linkOf = ({ change, path, before }: DiffLine): string => {
    if (change === 'removed') return pointLink(set, from, { at: path });
    const both = change === 'content' && before !== undefined;
    return pointLink(set, to, {
      at: path,
      ...(both ? { tab: 'compare' as const, against: Number(from) } : {}),
    });
  };
  useEffect(() => {
    setActive(0);
  }, [lines]);
  return (
    <VirtualList
      label={words.label}
      count={lines.length}
      rowHeight={ROW_HEIGHT}
      active={Math.min(active, lines.length - 1)}
      onActive={setActive}
      onKey={(event) => {
        const line = lines[active];
        if (event.key !== 'Enter' || line === undefined) return;
        event.preventDefault();
        go(linkOf(line));
      }}
      rowKey={(index) => `${lines[index]?.change ?? ''}:${lines[index]?.path ?? index}`}
      head={
        <div class="change-cells change-head" role="presentation">
          {(['change', 'path', 'before', 'after'] as const).map((column) => (
            <span key={column} role="columnheader" class={`change-${column}`}>
              {words.columns[column]}
            </span>
          ))}
        </div>
      }
      row={(index) => {
        const line = lines[index];
        return line === undefined ? null : <ChangeRow line={line} link={linkOf(line)} />;
      }}
    />
  );
}

const signs: Readonly<Record<DiffLine['change'], string>> = {
  added: '+',
  removed: '−',
  content: '≠',
  metadata: 'm',
  kind: '⇄',
};

function ChangeRow({ line, link }: { readonly line: DiffLine; readonly link: string }): VNode {
  const { path, change, before, after, movedFrom } = line;
  return (
    <div class="change-cells" role="presentation">
      <span role="gridcell" class={`change-change ${change}`}>
        <span class="change-sign" aria-hidden="true">
          {signs[change]}
        </span>
        <span class="change-word">{words.changes[change]}</span>
      </span>
      <span role="gridcell" class="change-path">
        <a href={link} tabIndex={-1} title={path} aria-label={path}>
          <span class="change-folder">{path.slice(0, -nameOf(path).length)}</span>
          <span class="change-name">{nameOf(path)}</span>
        </a>
        {movedFrom !== undefined && <span class="change-moved">{words.movedFrom(movedFrom)}</span>}
      </span>
      <span role="gridcell" class="change-before">
        {sizeOf(before)}
      </span>
      <span role="gridcell" class="change-after">
        {sizeOf(after)}
      </span>
    </div>
  );
}

function sizeOf(node: DiffLine['before']): string {
  if (node === undefined) return '–';
  return node.kind === 'file' ? formatBytes(node.size) : texts.words.kind[node.kind];
}
