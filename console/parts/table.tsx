/**
 * A table of up to some hundred rows; longer ones are a VirtualList. On a narrow screen it scrolls
 * within its frame, or, where `narrow` is `cards`, each row becomes a card with its cells labelled.
 */
import type { ComponentChildren, VNode } from 'preact';

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** `number` is set to the right, in figures of one width. */
  readonly kind?: 'text' | 'number';
}

export interface TableProps<Row> {
  /** What the table shows; read out, not seen. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string | number;
  readonly rowClass?: (row: Row) => string;
  readonly narrow?: 'scroll' | 'cards';
}

export function Table<Row>(props: TableProps<Row>): VNode {
  const { caption, columns, rows, rowKey, rowClass, narrow = 'scroll' } = props;
  return (
    <div class={`table-frame ${narrow}`} role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ key, title, kind = 'text' }) => (
              <th key={key} scope="col" class={kind}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} class={rowClass?.(row) ?? ''}>
              {columns.map(({ key, title, cell, kind = 'text' }) => (
                <td key={key} class={kind} data-title={title}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
