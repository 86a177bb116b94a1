/**
 * Files of a point that are in none of the application's folders: what its backup mode answers must
 * lie among its files for a copy to recover. Each is kept as a file of the set's own folder and
 * planned like any other, under the name it has in the point. Walks do not miss it where it is not;
 * a point that is cut without it loses it.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { AfterimageError, errnoOf } from '../../shared/errors.js';
import type { Posix } from '../../shared/posix/posix.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import type { Target } from '../journal/target.js';
import type { PlacedFile } from '../quiesce/recipe.js';
import type { NodeRow } from '../state/node-row.js';
import { encodeIdentity, encodeStatus } from '../state/status.js';
import type { AgentState } from '../state.js';
import type { Found } from './found.js';
import type { NamePlanner, Place } from './name-planner.js';
import type { NodePlanner } from './node-planner.js';
import type { OpenRoot } from './open-roots.js';
import type { PlacedRows, PlanParts } from './plan-parts.js';

const SLASH = Buffer.from('/');

export interface PlacingWalk {
  readonly parts: PlanParts;
  readonly roots: readonly OpenRoot[];
  readonly names: NamePlanner;
  readonly nodes: NodePlanner;
}

export class PlacedFiles implements PlacedRows {
  readonly #folder: string;
  readonly #posix: Posix;
  /** Identities of what is kept, read when first needed. */
  #identities: Set<string> | undefined;
  /** Placed by the sync under way. */
  readonly #placed = new Set<number>();

  /** `folder` is made when it is needed. */
  constructor(options: { readonly folder: string; readonly posix: Posix }) {
    this.#folder = options.folder;
    this.#posix = options.posix;
  }

  /** True for the row of a file that was placed, by this sync or by one before it. */
  isOurs(row: NodeRow, state: Pick<AgentState, 'device'>): boolean {
    if (row.kind !== 'file' || row.identity === null) return false;
    this.#identities ??= this.#readIdentities(state);
    return this.#identities.has(row.identity.toString('latin1'));
  }

  /** A sync begins: it has placed nothing yet. */
  begin(): void {
    this.#placed.clear();
  }

  /** @throws AfterimageError `quiesce-failed` when the folder is not in the point */
  async place(walk: PlacingWalk, file: PlacedFile): Promise<void> {
    const { parts, names, nodes } = walk;
    const { state, findings } = parts;
    const folder = folderBelow(walk.roots, file.folder);
    const parent = folder === undefined ? undefined : nodeOf(folder, state);
    if (folder === undefined || parent === undefined) {
      throw new AfterimageError('quiesce-failed', `${file.folder} is not in the set`);
    }
    const [rootName = SLASH] = folder;
    const name = Buffer.from(file.name);
    const kept = Buffer.from(this.#keep(file));
    const place: Place = { parent, name };
    const found: Found = {
      folder: {
        node: parent,
        rootName,
        child: () => kept,
        pathOf: (entry) => joinPath(entry === undefined ? folder : [...folder, entry]),
      },
      entry: { name, status: parts.posix.lstat(kept) },
      kind: 'file',
    };
    const { unsettled } = findings;
    const row = state.nodes.named(parent, name)?.node;
    const identity = encodeIdentity(found.entry.status, state.device(found.entry.status.dev));
    this.#identities = (this.#identities ?? new Set()).add(identity.toString('latin1'));
    const isKnown = row?.identity?.equals(identity) === true;
    const planned = isKnown
      ? await nodes.refresh(found, row)
      : await nodes.make(found, row?.kind === 'file' ? row : undefined);
    // A known file that could not be read is still said to be as it was in an older point.
    const after = planned.node === undefined ? undefined : state.nodes.get(planned.node);
    const isSaid = after?.status.equals(encodeStatus(found.entry.status)) === true;
    if (planned.node === undefined || !isSaid) {
      throw new AfterimageError('quiesce-failed', `${file.name} could not be added to the point`);
    }
    const wait = names.link(place, { id: planned.node, kind: 'file' });
    if (wait !== undefined) await wait;
    await parts.blocks.drain();
    // It is young, and nobody else writes it.
    findings.unsettled = unsettled;
    this.#placed.add(planned.node);
  }

  /** All is looked at. What only an older point needed is gone from one that is cut now. */
  async settle(
    { parts, names }: Pick<PlacingWalk, 'parts' | 'names'>,
    cut: 'point' | 'nothing',
  ): Promise<void> {
    const { state } = parts;
    for (const identity of (this.#identities ??= this.#readIdentities(state))) {
      const row = state.nodes.byIdentity(Buffer.from(identity, 'latin1'));
      if (row === undefined) continue;
      for (const place of state.nodes.placesOf(row.id)) {
        // A folder that is found unchanged is not compared with its rows.
        state.dropFingerprint(place.parent);
        const stays = cut === 'nothing' || this.#placed.has(row.id);
        const wait = stays ? undefined : names.unlink(place);
        if (wait !== undefined) await wait;
      }
    }
    if (cut === 'point') await names.buryOrphans();
  }

  /** Written into the same inode each time, with the owner of the folder that it is for. */
  #keep({ folder, name, content }: PlacedFile): string {
    const key = createHash('sha256').update(`${folder}/${name}`).digest('hex').slice(0, 32);
    const kept = path.join(this.#folder, key);
    const { uid, gid } = fs.statSync(folder);
    fs.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    fs.writeFileSync(kept, content, { mode: 0o600 });
    const now = fs.statSync(kept);
    if (now.uid !== uid || now.gid !== gid) fs.chownSync(kept, uid, gid);
    return kept;
  }

  #readIdentities(state: Pick<AgentState, 'device'>): Set<string> {
    const identities = new Set<string>();
    let names: string[];
    try {
      names = fs.readdirSync(this.#folder);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return identities;
    }
    for (const name of names) {
      const status = this.#posix.lstat(Buffer.from(path.join(this.#folder, name)));
      identities.add(encodeIdentity(status, state.device(status.dev)).toString('latin1'));
    }
    return identities;
  }
}

/** Looks at all below these folders, absolute. @throws AfterimageError when one is in no root */
export function targetsBelow(roots: readonly OpenRoot[], folders: readonly string[]): Target[] {
  return folders.map((folder) => {
    const names = folderBelow(roots, folder);
    if (names !== undefined) return { path: joinPath(names), look: 'deep' as const };
    throw new AfterimageError('quiesce-failed', `${folder} is not in the set`);
  });
}

/** The names of an absolute path from the name of its root down; undefined when it is in none. */
function folderBelow(roots: readonly OpenRoot[], absolute: string): Buffer[] | undefined {
  const real = fs.realpathSync(absolute);
  for (const { name, fd } of roots) {
    const top = fs.readlinkSync(`/proc/self/fd/${fd}`);
    const below = path.relative(top, real);
    if (below === '..' || below.startsWith('../')) continue;
    const names = below === '' ? [] : below.split('/');
    return [name, ...names.map((part) => Buffer.from(part))];
  }
  return undefined;
}

/** As targets and findings name it: `<root>/<path>`. */
function joinPath(names: readonly Buffer[]): Buffer {
  return Buffer.concat(names.flatMap((name, n) => (n === 0 ? [name] : [SLASH, name])));
}

function nodeOf(names: readonly Buffer[], state: AgentState): number | undefined {
  let node: number | undefined = SET_NODE;
  for (const name of names) node = node === undefined ? undefined : state.nodes.at(node, name);
  return node;
}
