/**
 * Says of a new small file, read already, what it is: node, row and content, and its name, in one
 * go. What asks for more than that is left to the usual way.
 */
import { errnoOf } from '../../shared/errors.js';
import { encodeXattrs } from '../../shared/protocol/records.js';
import type { NodeRow } from '../state/node-row.js';
import { encodeIdentity, encodeStatus } from '../state/status.js';
import { digestOfRow } from '../workers/slot.js';
import type { Found } from './found.js';
import { toFileRecord } from './node-record.js';
import { isYoung, type PlanParts } from './plan-parts.js';
import type { SmallRead } from './small-reads.js';

/** It has been looked at; there is nothing to walk below it. */
interface SmallLooked {
  readonly folder: undefined;
  readonly settled: boolean;
}

const settledFile: SmallLooked = { folder: undefined, settled: true };
const youngFile: SmallLooked = { folder: undefined, settled: false };

/**
 * `found`: nothing has its name in its folder yet. Undefined when it is not a case for this: it is
 * known under another name, is suspect, or cannot be asked for its attributes.
 */
export function saySmallFile(
  parts: PlanParts,
  found: Found,
  read: SmallRead,
): SmallLooked | undefined | Promise<SmallLooked> {
  const { state, findings } = parts;
  const { status, name } = found.entry;
  const identity = encodeIdentity(status, state.device(status.dev));
  if (parts.suspects?.has({ identity }) === true) return undefined;
  if (state.nodes.byIdentity(identity) !== undefined) return undefined;
  const xattrs = read.hasAttributes ? attributesOf(parts, found) : null;
  if (xattrs === undefined) return undefined;
  const row: NodeRow = {
    id: state.takeNode(),
    kind: 'file',
    identity,
    status: encodeStatus(status),
    size: status.size,
    target: null,
    xattrs,
    dirty: isYoung(status.ctimeNs, read.lookedMs),
    fresh: state.flight?.sync ?? 0,
  };
  findings.changed(status.ctimeNs);
  findings.bytesRead += read.bytes.length;
  if (row.dirty) findings.unsettled += 1;
  const looked = row.dirty ? youngFile : settledFile;
  const wait = say(parts, { row, read, found, place: { parent: found.folder.node, name } });
  return wait === undefined ? looked : wait.then(() => looked);
}

interface SmallFile {
  readonly row: NodeRow;
  readonly read: SmallRead;
  readonly found: Found;
  readonly place: { readonly parent: number; readonly name: Buffer };
}

/** The content is taken before this returns. */
function say(parts: PlanParts, file: SmallFile): Promise<void> | undefined {
  const { state, index, outlet } = parts;
  const { row, read, place } = file;
  // Asked before the row is written, or the row itself would answer.
  const known = read.row !== undefined && index.has(digestOfRow(read.row));
  const digests = state.newFiles.add({ row, ...place, digests: read.row });
  const first = outlet.put(toFileRecord(row, file.found.entry.status));
  const second = sayContent(parts, file, { known, digests });
  const link = { type: 'link', ...place, node: row.id } as const;
  if (second !== undefined) return sayLink(parts, link, Promise.all([first ?? second, second]));
  const third = outlet.put(link);
  return first === undefined ? third : Promise.all([first, third]).then(() => undefined);
}

/** What is asked of the replica comes between: the name is said when the content is. */
async function sayLink(
  { outlet }: PlanParts,
  link: Parameters<PlanParts['outlet']['put']>[0],
  content: Promise<unknown>,
): Promise<void> {
  await content;
  await outlet.put(link);
}

function sayContent(
  { state, blocks, outlet }: PlanParts,
  { row: { id: node }, read: { bytes, row } }: SmallFile,
  at: { readonly known: boolean; readonly digests: number },
): Promise<void> | undefined {
  if (bytes.length === 0) return undefined;
  if (row === undefined) return outlet.put({ type: 'zero', node, block: 0, count: 1 });
  const locator = state.digests.locatorOf(at.digests, 0);
  const block = { node, block: 0, digest: digestOfRow(row), bytes, locator };
  return at.known ? blocks.copy(block, bytes.length) : blocks.offer(block);
}

/** Encoded, null for none; undefined when they cannot be read, which the usual way says. */
function attributesOf({ posix }: PlanParts, { folder, entry }: Found): Buffer | null | undefined {
  try {
    const xattrs = encodeXattrs(posix.getXattrs(folder.child(entry.name)));
    return xattrs.length === 0 ? null : xattrs;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
