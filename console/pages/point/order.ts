/** Which entries of a folder are shown, and in what order: pure. */
import type { ListedNode } from '../../../shared/api/tree.js';

export const sortKeys = ['name', 'size', 'modified'] as const;
export type SortKey = (typeof sortKeys)[number];

export interface Order {
  readonly key: SortKey;
  readonly direction: 'up' | 'down';
}

/** By name means as the replica orders names: by their bytes. */
export function ordered(
  entries: readonly ListedNode[],
  { order, filter }: { readonly order: Order; readonly filter: string },
): readonly ListedNode[] {
  const wanted = filter.trim().toLowerCase();
  const fitting =
    wanted === '' ? entries : entries.filter(({ name }) => name.toLowerCase().includes(wanted));
  if (order.key === 'name' && order.direction === 'up') return fitting;
  const sign = order.direction === 'up' ? 1 : -1;
  if (order.key === 'name') return [...fitting].reverse();
  if (order.key === 'size') return [...fitting].sort((a, b) => sign * (a.size - b.size));
  return [...fitting].sort((a, b) => sign * compareNs(a.mtimeNs, b.mtimeNs));
}

/** As numbers, without making numbers of them: text of nanoseconds, maybe negative. */
function compareNs(a: string, b: string): number {
  const difference = BigInt(a) - BigInt(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The next entry from `start` on, around the end, whose name begins with `typed`; -1 for none. */
export function findTyped(
  entries: readonly ListedNode[],
  { typed, start }: { readonly typed: string; readonly start: number },
): number {
  const wanted = typed.toLowerCase();
  for (let step = 0; step < entries.length; step += 1) {
    const index = (start + step) % entries.length;
    if (entries[index]?.name.toLowerCase().startsWith(wanted) === true) return index;
  }
  return -1;
}
