/**
 * What a point holds: its folders, and beside them the entry that was opened. Point, folder, entry and
 * tab are in the address.
 */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { PointDetail } from '../../../shared/api/points.js';
import type { ListedNode } from '../../../shared/api/tree.js';
import { getJson } from '../../api/client.js';
import { useAnswer } from '../../api/use-answer.js';
import { LinkButton } from '../../parts/button.js';
import { formatTime } from '../../parts/format.js';
import { Icon } from '../../parts/icon.js';
import { ConsistencyMark } from '../../parts/marks.js';
import { FailureBox } from '../../parts/states.js';
import {
  compareLink,
  folderOf,
  nameOf,
  pointLink,
  restoreLink,
  setLink,
} from '../../shell/links.js';
import type { PageProps } from '../../shell/page-entry.js';
import { at, go, href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { EntryPanel } from './entry-panel.js';
import { FolderList } from './folder-list.js';
import { SelectionBar } from './selection-bar.js';
import { useFolder } from './use-folder.js';

const words = texts.point;

export function PointPage({ params, query }: PageProps): VNode {
  const { set = '', point = '' } = params;
  const detail = useAnswer(
    (signal) => getJson<PointDetail>(at`/v1/sets/${set}/points/${point}`, { signal }),
    [set, point],
  );
  if (detail.state === 'failed') {
    return (
      <div class="stack">
        <PointCrumbs set={set} point={point} />
        <FailureBox failure={detail.failure} onRetry={detail.reload} />
      </div>
    );
  }
  return (
    <div class="stack point-page">
      <PointHead
        set={set}
        point={point}
        detail={detail.state === 'ready' ? detail.value : undefined}
        path={query.get('path') ?? ''}
        entry={query.get('at') ?? undefined}
      />
      <Browser set={set} point={point} query={query} />
    </div>
  );
}

interface BrowserProps {
  readonly set: string;
  /** As in the address: a number, a time or `latest`. */
  readonly point: string;
  readonly query: URLSearchParams;
}

function Browser({ set, point, query }: BrowserProps): VNode {
  const entryPath = query.get('at') ?? undefined;
  const path = query.get('path') ?? (entryPath === undefined ? '' : folderOf(entryPath));
  const folder = useFolder({ set, point, path });
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const pathOf = ({ name }: ListedNode): string => (path === '' ? name : `${path}/${name}`);
  const linkOf = (entry: ListedNode): string =>
    entry.kind === 'folder'
      ? pointLink(set, point, { path: pathOf(entry) })
      : pointLink(set, point, { path, at: pathOf(entry) });
  const toggle = (entries: readonly ListedNode[], to: 'add' | 'remove'): void => {
    setSelected((last) => {
      const next = new Set(last);
      for (const entry of entries) {
        if (to === 'add') next.add(pathOf(entry));
        else next.delete(pathOf(entry));
      }
      return next;
    });
  };
  return (
    <>
      <PathCrumbs set={set} point={point} path={path} />
      {selected.size > 0 && (
        <SelectionBar
          set={set}
          point={point}
          paths={[...selected]}
          onClear={() => {
            setSelected(new Set());
          }}
        />
      )}
      <div class={`browser ${entryPath === undefined ? 'alone' : 'beside'}`}>
        <section class="card browser-list" aria-label={words.list.label(path)}>
          <FolderList
            path={path}
            folder={folder}
            shown={entryPath === undefined ? undefined : nameOf(entryPath)}
            linkOf={linkOf}
            onOpen={(entry) => {
              go(linkOf(entry));
            }}
            onUp={() => {
              if (path !== '') go(pointLink(set, point, { path: folderOf(path) }));
            }}
            isSelected={(entry) => selected.has(pathOf(entry))}
            onToggle={toggle}
          />
        </section>
        {entryPath !== undefined && (
          <EntryPanel set={set} point={point} path={entryPath} query={query} />
        )}
      </div>
    </>
  );
}

interface PointHeadProps {
  readonly set: string;
  readonly point: string;
  readonly detail: PointDetail | undefined;
  readonly path: string;
  readonly entry: string | undefined;
}

function PointHead({ set, point, detail, path, entry }: PointHeadProps): VNode {
  const number = detail?.point ?? Number(point);
  const near = (to: number): string => pointLink(set, to, { path, at: entry });
  return (
    <header class="set-head">
      <PointCrumbs set={set} point={point} />
      <div class="set-head-line">
        <h1>{Number.isInteger(number) ? texts.words.point(number) : point}</h1>
        {detail !== undefined && (
          <>
            <span class="muted number">{formatTime(detail.timeMs)}</span>
            <ConsistencyMark of={detail.consistency} />
          </>
        )}
        <span class="row set-head-acts">
          {number > 1 && (
            <LinkButton kind="quiet" href={near(number - 1)} title={words.previous}>
              <Icon name="left" />
              {number - 1}
            </LinkButton>
          )}
          {Number.isInteger(number) && (
            <>
              <LinkButton kind="quiet" href={near(number + 1)} title={words.next}>
                {number + 1}
                <Icon name="right" />
              </LinkButton>
              <LinkButton href={compareLink(set, { from: Math.max(1, number - 1), to: number })}>
                <Icon name="compare" />
                {words.compare}
              </LinkButton>
              <LinkButton kind="primary" href={restoreLink(set, number)}>
                <Icon name="restore" />
                {words.restoreAll}
              </LinkButton>
            </>
          )}
        </span>
      </div>
    </header>
  );
}

function PointCrumbs({ set, point }: { readonly set: string; readonly point: string }): VNode {
  const number = Number(point);
  return (
    <nav class="crumbs" aria-label={texts.words.crumbs}>
      <a href={href('/')}>{texts.nav.sets}</a>
      <span aria-hidden="true">/</span>
      <a href={setLink(set, { point: number > 0 ? number : undefined })}>{set}</a>
    </nav>
  );
}

interface PathCrumbsProps {
  readonly set: string;
  readonly point: string;
  readonly path: string;
}

function PathCrumbs({ set, point, path }: PathCrumbsProps): VNode {
  const names = path === '' ? [] : path.split('/');
  return (
    <nav class="path-crumbs" aria-label={words.entry.path}>
      <ol>
        <li>
          <a href={pointLink(set, point)} {...(path === '' ? { 'aria-current': 'page' } : {})}>
            {set}
          </a>
        </li>
        {names.map((name, index) => {
          const upTo = names.slice(0, index + 1).join('/');
          const last = index === names.length - 1;
          return (
            <li key={upTo}>
              <a
                href={pointLink(set, point, { path: upTo })}
                {...(last ? { 'aria-current': 'page' } : {})}
              >
                {name}
              </a>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
