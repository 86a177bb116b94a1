/** Blocks that the replica asked for, or refused a sync for: the next one sends them whole. */
import type { DedupIndex } from '../dedup/dedup-index.js';
import type { AgentState } from '../state.js';
import type { WantedBlocks } from './wanted-blocks.js';

interface Sent {
  readonly state: AgentState;
  readonly index: DedupIndex;
  /** What the replica asked to be sent again. */
  readonly wanted?: Pick<WantedBlocks, 'take'>;
}

/** What the replica lost is sent again; blocks that the files do not have any more are not. */
export function sendWanted(set: Sent): void {
  const wanted = set.wanted?.take() ?? [];
  const known = wanted.filter((want) => digestsOf(set, [want]).length > 0);
  if (known.length > 0) sendWhole(set, known, digestsOf(set, known));
}

/** Digests of the blocks a refusal names, as this sync said them. */
export function digestsOf(
  { state }: Sent,
  wants: readonly { node: number; block: number }[],
): Buffer[] {
  return wants.flatMap(({ node, block }) => state.digests.digestOf(node, block) ?? []);
}

/** The next sync sends these blocks whole, whatever is thought to be on the replica. */
export function sendWhole(
  { state, index }: Sent,
  wants: readonly { node: number; block: number }[],
  digests: readonly Buffer[],
): void {
  for (const digest of digests) index.distrust(digest);
  for (const want of wants) state.forgetBlock(want.node, want.block);
  state.flush();
}
