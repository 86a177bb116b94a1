/** Where a file that is known only by its identity was last seen: a write may come by a name outside the set. */
import type { FileStatus } from '../../shared/posix/posix.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { AgentState } from '../state.js';
import { encodeIdentity } from './status.js';

const DEPTH_MAX = 4_096;
const slash = Buffer.from('/');

/** As `<root>/<path>`, one for each name; empty for a file that is not in the set. */
export function pathsOfFile(
  state: AgentState,
  file: Pick<FileStatus, 'dev' | 'ino' | 'btimeNs'>,
): Buffer[] {
  const device = state.knownDevice(file.dev);
  const node =
    device === undefined ? undefined : state.nodes.byIdentity(encodeIdentity(file, device));
  if (node === undefined) return [];
  return state.nodes
    .placesOf(node.id)
    .flatMap(({ parent, name }) => pathOf(state, parent, [name]) ?? []);
}

/** Undefined for a place that hangs under no root. */
function pathOf(state: AgentState, folder: number, names: Buffer[]): Buffer | undefined {
  for (let above = folder; above !== SET_NODE;) {
    const place = state.nodes.placesOf(above)[0];
    if (place === undefined || names.length > DEPTH_MAX) return undefined;
    names.unshift(place.name);
    above = place.parent;
  }
  return Buffer.concat(names.flatMap((name, at) => (at === 0 ? [name] : [slash, name])));
}
