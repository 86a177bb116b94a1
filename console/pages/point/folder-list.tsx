/**
 * The entries of a folder, however many: one list of which the rows in sight exist. Enter opens, Space
 * selects, letters jump to a name, Backspace goes up.
 */
import type { VNode } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ListedNode } from '../../../shared/api/tree.js';
import { Button } from '../../parts/button.js';
import { TextField } from '../../parts/field.js';
import { formatCount } from '../../parts/format.js';
import { Empty, FailureBox, Loading } from '../../parts/states.js';
import { VirtualList } from '../../parts/virtual-list.js';
import { texts } from '../../texts.js';
import { EntryRow } from './entry-row.js';
import { findTyped, type Order, ordered, type SortKey, sortKeys } from './order.js';
import { ENTRIES_MAX, type Folder } from './use-folder.js';

export interface FolderListProps {
  readonly path: string;
  readonly folder: Folder;
  /** Name of the entry whose panel is open. */
  readonly shown: string | undefined;
  readonly linkOf: (entry: ListedNode) => string;
  readonly onOpen: (entry: ListedNode) => void;
  readonly onUp: () => void;
  readonly isSelected: (entry: ListedNode) => boolean;
  readonly onToggle: (entries: readonly ListedNode[], to: 'add' | 'remove') => void;
}

const words = texts.point.list;
export const ROW_HEIGHT = 34;
const TYPED_MS = 900;

export function FolderList(props: FolderListProps): VNode {
  const { path, folder, isSelected, onToggle, onOpen } = props;
  const [order, setOrder] = useState<Order>({ key: 'name', direction: 'up' });
  const [filter, setFilter] = useState('');
  const [active, setActive] = useState(0);
  const typed = useRef({ text: '', atMs: 0 });
  const entries = useMemo(
    () => ordered(folder.entries, { order, filter }),
    [folder.entries, order, filter],
  );
  useActive({ entries, name: props.shown, path, setActive });
  useLayoutEffect(() => {
    setFilter('');
    typed.current = { text: '', atMs: 0 };
  }, [path]);
  // Who goes from folder to folder by keys stays in the list.
  const byKey = useRef(false);

  const toggle = (entry: ListedNode): void => {
    onToggle([entry], isSelected(entry) ? 'remove' : 'add');
  };
  const jump = (key: string): void => {
    const nowMs = performance.now();
    const going = nowMs - typed.current.atMs < TYPED_MS;
    const text = going ? typed.current.text + key : key;
    typed.current = { text, atMs: nowMs };
    const start = going || entries.length === 0 ? active : (active + 1) % entries.length;
    const found = findTyped(entries, { typed: text, start });
    if (found >= 0) setActive(found);
  };
  const onKey = (event: KeyboardEvent): void => {
    const entry = entries[active];
    if (event.altKey || event.metaKey) return;
    if (event.ctrlKey) {
      if (event.key !== 'a') return;
      onToggle(entries, 'add');
    } else if (event.key === 'Enter' && entry !== undefined) {
      byKey.current = entry.kind === 'folder';
      onOpen(entry);
    } else if (event.key === ' ' && entry !== undefined) toggle(entry);
    else if (event.key === 'Backspace') {
      byKey.current = true;
      props.onUp();
    } else if (event.key.length === 1 && event.key !== ' ') jump(event.key);
    else return;
    event.preventDefault();
  };

  if (folder.failure !== undefined && folder.entries.length === 0) {
    return <FailureBox failure={folder.failure} onRetry={folder.more} />;
  }
  const allSelected = entries.length > 0 && entries.every(isSelected);
  return (
    <div class="folder-list">
      <div class="folder-bar">
        <TextField label={words.filter} type="search" value={filter} onValue={setFilter} />
        <ListState folder={folder} shown={entries.length} order={order} filter={filter} />
      </div>
      {folder.state === 'loading' ? (
        <Loading />
      ) : entries.length === 0 ? (
        <Empty title={folder.entries.length === 0 ? words.empty : words.noneFits} />
      ) : (
        <VirtualList
          label={words.label(path)}
          count={entries.length}
          rowHeight={ROW_HEIGHT}
          active={Math.min(active, entries.length - 1)}
          onActive={setActive}
          onKey={onKey}
          focus={byKey.current ? 'take' : 'leave'}
          onEnd={folder.more}
          rowKey={(index) => entries[index]?.name ?? index}
          rowClass={(index) => (entries[index]?.name === props.shown ? 'shown' : '')}
          selected={(index) => {
            const entry = entries[index];
            return entry !== undefined && isSelected(entry);
          }}
          head={
            <Head
              order={order}
              onOrder={setOrder}
              selected={allSelected ? 'all' : 'some'}
              onAll={() => {
                onToggle(entries, allSelected ? 'remove' : 'add');
              }}
            />
          }
          row={(index) => {
            const entry = entries[index];
            if (entry === undefined) return null;
            return (
              <EntryRow
                entry={entry}
                link={props.linkOf(entry)}
                selected={isSelected(entry)}
                onToggle={() => {
                  setActive(index);
                  toggle(entry);
                }}
                onFollow={() => {
                  byKey.current = false;
                  setActive(index);
                }}
              />
            );
          }}
        />
      )}
    </div>
  );
}

/** The active row is that of the entry whose panel is open, or the first of another folder. */
function useActive({
  entries,
  name,
  path,
  setActive,
}: {
  readonly entries: readonly ListedNode[];
  readonly name: string | undefined;
  readonly path: string;
  readonly setActive: (index: number) => void;
}): void {
  const settled = useRef({ path, name: '' });
  // Before anybody sees the entries: a key pressed then must not be lost.
  useLayoutEffect(() => {
    const last = settled.current;
    if (entries.length === 0 || (last.path === path && last.name === name)) return;
    settled.current = { path, name: name ?? '' };
    const index = entries.findIndex((entry) => entry.name === name);
    if (index >= 0) setActive(index);
    // Closing a panel leaves the row where it was.
    else if (last.path !== path) setActive(0);
  }, [entries, name, path]);
}

interface HeadProps {
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
  readonly selected: 'all' | 'some';
  readonly onAll: () => void;
}

function Head({ order, onOrder, selected, onAll }: HeadProps): VNode {
  return (
    <div class="entry-cells entry-head" role="presentation">
      <span role="columnheader" class="entry-check">
        <input
          type="checkbox"
          aria-label={words.selectAll}
          title={words.selectAll}
          checked={selected === 'all'}
          onChange={onAll}
        />
      </span>
      {sortKeys.map((key) => (
        <SortHead key={key} of={key} order={order} onOrder={onOrder} />
      ))}
      <span role="columnheader" class="entry-mode">
        {words.mode}
      </span>
    </div>
  );
}

function SortHead({
  of,
  order,
  onOrder,
}: Pick<HeadProps, 'order' | 'onOrder'> & { readonly of: SortKey }): VNode {
  const mine = order.key === of;
  const sorted = order.direction === 'up' ? 'ascending' : 'descending';
  return (
    <span role="columnheader" class={`entry-${of}`} aria-sort={mine ? sorted : 'none'}>
      <button
        type="button"
        onClick={() => {
          onOrder({ key: of, direction: mine && order.direction === 'up' ? 'down' : 'up' });
        }}
      >
        {words[of]}
        <span aria-hidden="true">{mine ? (order.direction === 'up' ? ' ↑' : ' ↓') : ''}</span>
      </button>
    </span>
  );
}

function ListState({
  folder,
  shown,
  order,
  filter,
}: {
  readonly folder: Folder;
  readonly shown: number;
  readonly order: Order;
  readonly filter: string;
}): VNode {
  const count = formatCount(folder.entries.length);
  const partial = folder.state === 'partial' || folder.state === 'full';
  return (
    <p class="muted small folder-state" role="status">
      {filter.trim() !== ''
        ? words.shown(formatCount(shown), count)
        : partial
          ? words.countSoFar(count)
          : words.count(folder.entries.length)}
      {folder.state === 'full' && ` ${words.tooMany(formatCount(ENTRIES_MAX))}`}
      {partial && order.key !== 'name' && ` ${words.partial}`}
      {folder.failure !== undefined && (
        <span class="fact-failed" role="alert">
          {' '}
          {words.moreFailed(folder.failure.message)}{' '}
          <Button kind="quiet" onClick={folder.more}>
            {texts.words.retry}
          </Button>
        </span>
      )}
      {folder.state === 'partial' && (
        <>
          {' '}
          <Button kind="quiet" onClick={folder.all}>
            {words.loadAll}
          </Button>
        </>
      )}
    </p>
  );
}
