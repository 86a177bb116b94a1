/** A row of a folder: its sign, name, size, time and mode. The name is a link, to open elsewhere too. */
import type { VNode } from 'preact';
import type { ListedNode } from '../../../shared/api/tree.js';
import { formatBytes, formatMode, formatTimeNs } from '../../parts/format.js';
import { Icon, type IconName } from '../../parts/icon.js';
import { texts } from '../../texts.js';

export interface EntryRowProps {
  readonly entry: ListedNode;
  readonly link: string;
  readonly selected: boolean;
  readonly onToggle: () => void;
  /** Called when the link is followed. */
  readonly onFollow: () => void;
}

const icons: Readonly<Partial<Record<ListedNode['kind'], IconName>>> = {
  file: 'file',
  folder: 'folder',
  symlink: 'link',
};

export function iconOf(kind: ListedNode['kind']): IconName {
  return icons[kind] ?? 'other';
}

export function EntryRow({ entry, link, selected, onToggle, onFollow }: EntryRowProps): VNode {
  const { name, kind, size, mtimeNs, mode, target } = entry;
  return (
    <div class="entry-cells" role="presentation">
      <span role="gridcell" class="entry-check">
        <input
          type="checkbox"
          tabIndex={-1}
          aria-label={texts.point.list.select(name)}
          checked={selected}
          onChange={onToggle}
        />
      </span>
      <span role="gridcell" class={`entry-name ${kind}`}>
        <Icon name={iconOf(kind)} />
        <a href={link} tabIndex={-1} onClick={onFollow} title={name}>
          {name}
        </a>
        {target !== undefined && <span class="entry-target">→ {target}</span>}
      </span>
      <span role="gridcell" class="entry-size">
        {kind === 'file' ? formatBytes(size) : ''}
      </span>
      <span role="gridcell" class="entry-modified">
        {formatTimeNs(mtimeNs)}
      </span>
      <span role="gridcell" class="entry-mode">
        {formatMode(kind, mode)}
      </span>
    </div>
  );
}
