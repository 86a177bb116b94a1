/** One result: its name, where it stands, when it was there, and the ways on. */
import type { VNode } from 'preact';
import type { SearchResult } from '../../../shared/api/search.js';
import { formatBytes, formatTime, formatTimeNs } from '../../parts/format.js';
import { Icon, type IconName } from '../../parts/icon.js';
import { Mark } from '../../parts/marks.js';
import { folderOf, pointLink, restoreLink, versionsLink } from '../../shell/links.js';
import { texts } from '../../texts.js';

/** Where a result leads: its folder at the last point that has it, its versions, a restore of it. */
export function linksOf({ set, path, lastPoint, kind }: SearchResult): {
  readonly open: string;
  readonly versions: string;
  readonly restore: string;
} {
  return {
    open: pointLink(
      set,
      lastPoint,
      kind === 'folder' ? { path } : { path: folderOf(path), at: path },
    ),
    versions: versionsLink(set, path),
    restore: restoreLink(set, lastPoint, [path]),
  };
}

const icons: Readonly<Partial<Record<SearchResult['kind'], IconName>>> = {
  file: 'file',
  folder: 'folder',
  symlink: 'link',
};

export function ResultRow({ result }: { readonly result: SearchResult }): VNode {
  const { set, path, name, kind, size, mtimeNs, firstPoint, lastPoint, lastMs, live } = result;
  const links = linksOf(result);
  return (
    <li class="result">
      <Icon name={icons[kind] ?? 'other'} />
      <div class="result-what">
        <a class="result-open" href={links.open}>
          {name}
        </a>
        <div class="muted small result-path">
          <strong>{set}</strong> {folderOf(path)}
        </div>
      </div>
      <div class="result-when small">
        {live ? (
          <Mark tone="good">{texts.search.isLive}</Mark>
        ) : (
          <Mark tone="warn">{texts.search.gone(formatTime(lastMs))}</Mark>
        )}
        <span class="muted">
          {texts.search.there(firstPoint, lastPoint)}
          {kind === 'file' && `, ${formatBytes(size)}`}, {formatTimeNs(mtimeNs)}
        </span>
      </div>
      <div class="row result-ways">
        <a href={links.versions} aria-label={`${texts.search.versions}: ${path}`}>
          {texts.search.versions}
        </a>
        <a href={links.restore} aria-label={`${texts.search.restore}: ${path}`}>
          {texts.search.restore}
        </a>
      </div>
    </li>
  );
}
