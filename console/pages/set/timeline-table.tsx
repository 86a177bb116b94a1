/** The timeline as a table: the same items, for who reads rather than looks. */
import type { VNode } from 'preact';
import { Button } from '../../parts/button.js';
import { formatBytes, formatCount } from '../../parts/format.js';
import { Table } from '../../parts/table.js';
import { hrefHere } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { countsOf, marksOf, titleOf, whenOf } from './item-tip.js';
import type { TimelineItem } from './timeline-items.js';
import type { View } from './timeline-view.js';

export interface TimelineTableProps {
  readonly items: readonly TimelineItem[];
  readonly picked: number | undefined;
  readonly burstBytes: number;
  readonly onView: (view: View) => void;
}

export function TimelineTable({ items, picked, burstBytes, onView }: TimelineTableProps): VNode {
  const words = texts.set.table;
  return (
    <div class="timeline-table">
      <Table
        caption={words.caption}
        narrow="cards"
        rows={[...items].reverse()}
        rowKey={({ firstPoint, fromMs }) => `${firstPoint}-${fromMs}`}
        rowClass={({ point }) => (point !== undefined && point === picked ? 'picked' : '')}
        columns={[
          {
            key: 'point',
            title: words.stretch,
            cell: (item) =>
              item.point === undefined ? (
                <Button
                  kind="quiet"
                  onClick={() => {
                    onView({ fromMs: item.fromMs, toMs: Math.max(item.toMs, item.fromMs + 1000) });
                  }}
                  label={`${titleOf(item)}: ${words.open}`}
                >
                  {titleOf(item)}
                </Button>
              ) : (
                <a href={hrefHere({ point: item.point })}>{titleOf(item)}</a>
              ),
          },
          { key: 'time', title: words.time, cell: whenOf },
          { key: 'consistency', title: words.consistency, cell: countsOf },
          {
            key: 'changed',
            title: words.changed,
            kind: 'number',
            cell: ({ changedBytes }) => formatBytes(changedBytes),
          },
          {
            key: 'entries',
            title: words.entries,
            kind: 'number',
            cell: ({ changedNodes }) => formatCount(changedNodes),
          },
          {
            key: 'marks',
            title: words.marks,
            cell: (item) => marksOf(item, burstBytes).join(', '),
          },
        ]}
      />
    </div>
  );
}
