/**
 * Names of nodes: links, unlinks, moves, and nodes that lost their last name. A node without a name
 * is an orphan until the walk ends: it may be met elsewhere (R16).
 */
import { errnoOf } from '../../shared/errors.js';
import type { NodeRow } from '../state/node-row.js';
import type { NamedNode } from '../state/node-table.js';
import { joinNames, namesDownTo } from '../state/paths-of-file.js';
import { encodeIdentity } from '../state/status.js';
import type { OpenRoot } from './open-roots.js';
import type { PlanParts } from './plan-parts.js';

/** Deeper folders than this have no path that one system call takes. */
const DEPTH_MAX = 2_049;

export interface Place {
  readonly parent: number;
  readonly name: Buffer;
}

export class NamePlanner {
  readonly #parts: PlanParts;
  readonly #roots: readonly OpenRoot[];

  constructor(parts: PlanParts, roots: readonly OpenRoot[]) {
    this.#parts = parts;
    this.#roots = roots;
  }

  /** A node has this name now. */
  link(place: Place, node: { id: number; kind: NodeRow['kind'] }): Promise<void> | undefined {
    const { state, outlet } = this.#parts;
    const folder = node.kind === 'folder';
    const before = state.nodes.link({ ...place, node: node.id, folder });
    if (before === node.id) return undefined;
    state.removeOrphan(node.id);
    if (before !== undefined) this.#lostName(before);
    return outlet.put({ type: 'link', parent: place.parent, name: place.name, node: node.id });
  }

  /** A name is no longer there. */
  unlink(place: Place): Promise<void> | undefined {
    const { state, outlet } = this.#parts;
    const node = state.nodes.at(place.parent, place.name);
    if (node === undefined) return undefined;
    state.nodes.unlink(place.parent, place.name);
    this.#lostName(node);
    this.#parts.findings.nodesChanged += 1;
    return outlet.put({ type: 'unlink', parent: place.parent, name: place.name });
  }

  /** A row of a folder whose name the scan does not show; it may have moved since it was read. */
  gone(folder: number, { name, node }: NamedNode): Promise<void> | undefined {
    const { state, placed } = this.#parts;
    if (placed?.isOurs(node, state) === true) return undefined;
    const place = { parent: folder, name };
    return state.nodes.at(folder, name) === node.id ? this.unlink(place) : undefined;
  }

  /**
   * A known node was met under another name. False when it still stands at its old one although it
   * has only one: then its identity tells nothing.
   */
  async move(node: NodeRow, to: Place, linkCount: number): Promise<boolean> {
    const { state } = this.#parts;
    const places = state.nodes.placesOf(node.id);
    if (node.kind === 'folder') {
      for (const place of places) {
        const wait = this.unlink(place);
        if (wait !== undefined) await wait;
        // The rows of that folder changed without its being walked.
        state.dropFingerprint(place.parent);
      }
    } else if (linkCount === 1 && places.some((place) => this.#stillStands(place, node))) {
      return false;
    }
    const wait = this.link(to, node);
    if (wait !== undefined) await wait;
    return true;
  }

  /** Nodes that no walk met again are dead, and what only they held. */
  async buryOrphans(): Promise<void> {
    const { state, pause, outlet } = this.#parts;
    for (let node = state.anyOrphan(); node !== undefined; node = state.anyOrphan()) {
      const kind = state.nodes.get(node)?.kind;
      if (kind === 'folder') {
        for (const { name, node: child } of state.nodes.children(node)) {
          state.nodes.unlink(node, name);
          this.#lostName(child.id);
          const wait = outlet.put({ type: 'unlink', parent: node, name });
          if (wait !== undefined) await wait;
        }
        state.dropFingerprint(node);
      }
      state.digests.removeFrom(node, 0);
      state.nodes.delete(node);
      state.removeOrphan(node);
      const rest = pause.breathe();
      if (rest !== undefined) await rest;
    }
  }

  #lostName(node: number): void {
    if (!this.#parts.state.nodes.hasName(node)) this.#parts.state.addOrphan(node);
  }

  #stillStands(place: Place, node: NodeRow): boolean {
    const path = this.#pathOf(place);
    if (path === undefined) return false;
    try {
      const status = this.#parts.posix.lstat(path);
      const identity = encodeIdentity(status, this.#parts.state.device(status.dev));
      return node.identity?.equals(identity) === true;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }

  /** A path for a system call, undefined when the place hangs under no root. */
  #pathOf(place: Place): Buffer | undefined {
    const names = namesDownTo(this.#parts.state.nodes, place);
    if (names === undefined || names.length > DEPTH_MAX) return undefined;
    const [top, ...below] = names;
    const root = this.#roots.find(({ name }) => top?.equals(name) === true);
    if (root === undefined) return undefined;
    return joinNames([Buffer.from(`/proc/self/fd/${root.fd}`), ...below]);
  }
}
