/** The two ways a benchmark's figures are printed. */
import { formatTable } from '../cli/table.js';
import type { Figure } from './figure.js';
import type { Machine } from './machine.js';

export interface Report {
  readonly bench: string;
  readonly machine: Machine;
  readonly figures: readonly Figure[];
}

/** One line of JSON. */
export function formatJson({ bench, machine, figures }: Report): string {
  return `${JSON.stringify({ bench, machine, figures })}\n`;
}

export function formatReport({ bench, machine, figures }: Report): string {
  const { cpu, cores, memoryMib, kernel, node, filesystem } = machine;
  const table = formatTable<Figure>(
    [
      { title: 'figure', value: ({ name }) => name },
      { title: 'median', align: 'right', value: ({ value }) => formatNumber(value) },
      { title: 'unit', value: ({ unit }) => unit },
      { title: 'least', align: 'right', value: ({ rounds }) => formatNumber(rounds[0]) },
      { title: 'greatest', align: 'right', value: ({ rounds }) => formatNumber(rounds[2]) },
      { title: 'target', value: ({ target }) => target },
      { title: 'met', value: ({ met }) => (met === null ? '' : met ? 'yes' : 'no') },
      { title: 'against', value: ({ against }) => against },
    ],
    figures,
  );
  return [
    `${bench}: ${cpu}, ${cores} cores, ${memoryMib} MiB, kernel ${kernel}, Node ${node}, ${filesystem}`,
    '',
    table,
  ].join('\n');
}

/** Three digits, or all of those before the point. */
function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return String(Number(value.toPrecision(3)));
}
