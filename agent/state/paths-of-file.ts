/** Paths of what the state knows, from its rows: of a place, and of a file that only its identity names. */
import type { FileStatus } from '../../shared/posix/posix.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { AgentState } from '../state.js';
import type { NodeTable } from './node-table.js';
import { encodeIdentity } from './status.js';

const DEPTH_MAX = 4_096;
const slash = Buffer.from('/');

/**
 * Where a file was last seen, as `<root>/<path>`, one for each name; empty for a file that is not in the
 * set. A write may come by a name outside the set.
 */
export function pathsOfFile(
  state: AgentState,
  file: Pick<FileStatus, 'dev' | 'ino' | 'btimeNs'>,
): Buffer[] {
  const device = state.knownDevice(file.dev);
  const node =
    device === undefined ? undefined : state.nodes.byIdentity(encodeIdentity(file, device));
  if (node === undefined) return [];
  return state.nodes.placesOf(node.id).flatMap((place) => {
    const names = namesDownTo(state.nodes, place);
    return names === undefined ? [] : [joinNames(names)];
  });
}

/** From the root's name to the place's own; undefined for a place that hangs under no root. */
export function namesDownTo(
  nodes: NodeTable,
  place: { readonly parent: number; readonly name: Buffer },
): Buffer[] | undefined {
  const names = [place.name];
  let above = place.parent;
  while (above !== SET_NODE) {
    const folder = nodes.placesOf(above)[0];
    if (folder === undefined || names.length > DEPTH_MAX) return undefined;
    names.unshift(folder.name);
    above = folder.parent;
  }
  return names;
}

/** With `/` between them. */
export function joinNames(names: readonly Buffer[]): Buffer {
  return Buffer.concat(names.flatMap((name, at) => (at === 0 ? [name] : [slash, name])));
}
