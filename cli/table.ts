/** Plain tables: a header, columns as wide as needed, numbers to the right. */
export interface Column<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  readonly value: (row: Row) => string;
}

/** Lines end in a newline and have no spaces at their ends. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, index) =>
    Math.max(...cells.map((line) => widthOf(line[index] ?? ''))),
  );
  return cells.map((line) => `${formatLine(columns, line, widths)}\n`).join('');
}

function formatLine<Row>(
  columns: readonly Column<Row>[],
  cells: readonly string[],
  widths: readonly number[],
): string {
  const padded = cells.map((cell, index) => {
    const space = ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(cell)));
    return columns[index]?.align === 'right' ? space + cell : cell + space;
  });
  return padded.join('  ').trimEnd();
}

/** Code points, which is as near to columns as plain output needs. */
function widthOf(text: string): number {
  return Array.from(text).length;
}
