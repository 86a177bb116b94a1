/** Says of a new small file, read already, what it is: node, row and content in one go. */
import type { NodeRow } from '../state/node-table.js';
import { digestOfRow } from '../work/slot.js';
import type { Planned } from './found.js';
import { toNodeRecord } from './node-record.js';
import type { PlanParts } from './plan-parts.js';
import type { SmallRead } from './small-reads.js';

/** `row`: as it is to be kept. The content is taken before this returns. */
export function saySmallFile(
  parts: PlanParts,
  row: NodeRow,
  read: SmallRead,
): Planned | Promise<Planned> {
  const { state, outlet, findings } = parts;
  findings.bytesRead += read.bytes.length;
  if (row.dirty) findings.unsettled += 1;
  state.nodes.insert(row);
  const first = outlet.put(toNodeRecord(row, 'new'));
  const second = sayContent(parts, row, read);
  const planned = { node: row.id, settled: !row.dirty };
  if (first === undefined) return second === undefined ? planned : second.then(() => planned);
  return Promise.all([first, second ?? first]).then(() => planned);
}

function sayContent(
  { state, index, blocks, outlet }: PlanParts,
  { id: node }: NodeRow,
  { bytes, row }: SmallRead,
): Promise<void> | undefined {
  if (bytes.length === 0) return undefined;
  if (row === undefined) return outlet.put({ type: 'zero', node, block: 0, count: 1 });
  const digest = digestOfRow(row);
  // Asked before the row is written, or the row itself would answer.
  const known = index.has(digest);
  const locator = state.digests.locatorOf(state.digests.write(node, 0, row), 0);
  const block = { node, block: 0, digest, bytes, locator };
  return known ? blocks.copy(block, bytes.length) : blocks.offer(block);
}
