/**
 * Rebuilds a set's state from the replica's newest point, when both sides remember different
 * histories (R13): names, nodes and digests come from the replica; identities and page
 * fingerprints do not, so the next walk matches by path, hashes everything and ships differences.
 */
import { invariant } from '../../shared/errors.js';
import type { NodeKind, NodeRecord, SyncRecord } from '../../shared/protocol/records.js';
import { decodeRecords, encodeXattrs } from '../../shared/protocol/records.js';
import type { TimeSlice } from '../../shared/time-slice.js';
import type { SetSession } from '../ship/session.js';
import type { AgentState, CommittedPoint } from '../state.js';
import { BlockRow, ROW_BLOCKS } from './block-row.js';
import { encodeStatus } from './status.js';

const typeBits: Readonly<Record<NodeKind, number>> = {
  file: 0o100000,
  folder: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  char: 0o020000,
  block: 0o060000,
};
const unknownPages = Buffer.alloc(ROW_BLOCKS * 128);

/** Stopped or broken anywhere, the state is empty and HELLO says `diverged` again. */
export async function adoptReplica(
  state: AgentState,
  session: Pick<SetSession, 'listState'>,
  at: { readonly committed: CommittedPoint; readonly slice: TimeSlice },
): Promise<void> {
  // One that a failing disk left behind.
  await state.endFlight(at.slice);
  state.clear();
  const rows = new RowGatherer(state);
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Awaited<ReturnType<SetSession['listState']>> = await session.listState(cursor);
    for (const record of decodeRecords(page.records)) take(state, rows, record);
    await (state.breathe() ?? at.slice.breathe());
    cursor = page.next;
  }
  rows.flush();
  state.markFolders();
  state.adopt(at.committed);
}

function take(state: AgentState, rows: RowGatherer, record: SyncRecord): void {
  switch (record.type) {
    case 'node':
      addNode(state, record);
      return;
    case 'link': {
      const { parent, node } = record;
      // Whether it is a folder is told once every node is there.
      state.nodes.link({ parent, name: Buffer.from(record.name), node, folder: false });
      return;
    }
    case 'copy':
      rows.add(record.node, record.block, record.digest);
      return;
    case 'zero':
      // Also said, as an empty run, of the highest number that the replica ever saw.
      state.reserveNode(record.node);
      return;
    default:
      invariant(false, `a state does not hold ${record.type} records`);
  }
}

function addNode(state: AgentState, record: NodeRecord): void {
  const { node, kind, mode, uid, gid, rdev, size, mtimeNs, target, xattrs } = record;
  const status = encodeStatus({
    mode: mode | typeBits[kind],
    nlink: 0,
    uid,
    gid,
    rdev,
    size,
    mtimeNs,
    dev: 0,
    ino: 0n,
    blocks: 0,
    ctimeNs: 0n,
    btimeNs: 0n,
  });
  state.nodes.insert({
    id: node,
    kind,
    identity: null,
    status,
    size,
    target: kind === 'symlink' ? Buffer.from(target) : null,
    xattrs: xattrs.length === 0 ? null : encodeXattrs(xattrs),
    dirty: true,
    fresh: 0,
  });
}

/** Gathers the digests of a row, which mostly come one after the other. */
class RowGatherer {
  readonly #state: AgentState;
  readonly #row = new BlockRow();
  #at: { node: number; first: number } | undefined;

  constructor(state: AgentState) {
    this.#state = state;
  }

  add(node: number, block: number, digest: Uint8Array): void {
    const index = block % ROW_BLOCKS;
    const first = block - index;
    if (this.#at?.node !== node || this.#at.first !== first) {
      this.flush();
      this.#at = { node, first };
      this.#row.load(this.#state.digests.read(node, first));
    }
    this.#row.set(index, { digests: Buffer.from(digest), fingerprints: unknownPages, from: 0 });
  }

  flush(): void {
    if (this.#at === undefined) return;
    this.#state.digests.write(this.#at.node, this.#at.first, this.#row.encode());
    this.#at = undefined;
  }
}
