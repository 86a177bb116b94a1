/**
 * Turns the parts of a walk into steps: plans each folder against what is on disk, compares files,
 * and says what it does. Folders get their metadata when everything below them is done.
 */
import { closeSync } from 'node:fs';
import { AfterimageError } from '../errors.js';
import type { HashCore } from '../hash/hash-core.js';
import { toPathText } from '../path-text.js';
import { isEntryName } from '../protocol/records.js';
import { TimeSlice } from '../time-slice.js';
import { differingRanges, isSameSmallFile, rangeBytes } from './compare-file.js';
import { LinkMemory } from './link-memory.js';
import type { LocalState } from './local-state.js';
import { FolderStack, type OpenFolder } from './open-folder.js';
import type { Outcome } from './outcome.js';
import {
  kindOf,
  planFolder,
  type PlannedAction,
  type PlanRules,
  type WantedEntry,
} from './plan.js';
import type { FolderPart, PointSource, SourceEntry } from './point-source.js';
import type { ActionWord } from './request.js';
import type { Step } from './step.js';
import { joinPath } from './set-path.js';
import { throwIfCancelled } from './cancelled.js';

type Comparison = PlannedAction & { readonly type: 'compare' };

export class FolderRestore {
  readonly #source: PointSource;
  readonly #hash: HashCore;
  readonly #local: LocalState;
  readonly #rules: PlanRules;
  readonly #outcome: Outcome;
  readonly #signal: AbortSignal;
  /** Takes a step; does nothing when only planning. */
  readonly #push: (step: Step) => Promise<void>;
  readonly #slice = new TimeSlice();
  readonly #stack = new FolderStack();
  readonly #links = new LinkMemory();
  /** Files on disk with several names: which node each stands for, so that no two share one. */
  readonly #claims = new Map<string, number>();

  constructor(context: {
    readonly source: PointSource;
    readonly hash: HashCore;
    readonly local: LocalState;
    readonly rules: PlanRules;
    readonly outcome: Outcome;
    readonly signal: AbortSignal;
    readonly push: (step: Step) => Promise<void>;
  }) {
    this.#source = context.source;
    this.#hash = context.hash;
    this.#local = context.local;
    this.#rules = context.rules;
    this.#outcome = context.outcome;
    this.#signal = context.signal;
    this.#push = context.push;
    const set = { path: Buffer.alloc(0), version: undefined, state: 'present', way: true } as const;
    this.#stack.announce({ ...set, unsettled: false });
  }

  async part(part: FolderPart): Promise<void> {
    const folder = await this.#stack.enter(part, (left) => this.#leave(left));
    if (folder === undefined) return;
    const wanted = part.entries.flatMap((entry) => this.#want(folder, entry) ?? []);
    for (const action of this.#plan(folder, part, wanted)) {
      await this.#slice.breathe();
      throwIfCancelled(this.#signal);
      const name = action.type === 'delete' ? action.local.name : action.wanted.name;
      const path = joinPath(folder.path, name);
      try {
        await this.#act(folder, path, action);
      } catch (error) {
        this.#outcome.fail(path, error);
      }
      if (action.type !== 'delete') this.#outcome.advance({ entries: 1 });
    }
  }

  async finish(): Promise<void> {
    await this.#stack.leaveAll((left) => this.#leave(left));
  }

  /** Undefined for a name that could lead elsewhere: no source is trusted with that (promise 8). */
  #want(folder: OpenFolder, entry: SourceEntry): WantedEntry | undefined {
    if (!isEntryName(entry.name)) {
      const path = joinPath(folder.path, entry.name);
      const message = `${toPathText(path)} has a name that is none`;
      this.#outcome.fail(path, new AfterimageError('path-escapes', message));
      return undefined;
    }
    const { node, kind } = entry.version;
    if (kind === 'folder') return entry;
    const linkTo = this.#links.find(node);
    if (linkTo !== undefined) return { ...entry, linkTo };
    this.#links.remember(node, folder.path, entry.name);
    return entry;
  }

  #plan(folder: OpenFolder, part: FolderPart, wanted: readonly WantedEntry[]): PlannedAction[] {
    try {
      return planFolder(
        wanted,
        this.#local.entries(folder, part, wanted, this.#rules),
        this.#rules,
      );
    } catch (error) {
      this.#outcome.fail(folder.path, error);
      return [];
    }
  }

  async #leave(folder: OpenFolder): Promise<void> {
    const { path, version, state } = folder;
    if (version === undefined || !folder.unsettled || (folder.way && state === 'present')) return;
    await this.#push({ type: 'settle', path, version, state });
  }

  async #act(folder: OpenFolder, path: Buffer, action: PlannedAction): Promise<void> {
    switch (action.type) {
      case 'create':
        this.#tell('create', path, action.wanted);
        await this.#create(folder, path, action.wanted);
        return;
      case 'replace':
        this.#tell('replace', path, action.wanted);
        await this.#replace(folder, path, action.wanted);
        return;
      case 'blocked':
        throw new AfterimageError(
          'target-not-empty',
          `a folder with contents stands where the point has a ${action.wanted.version.kind}`,
          { facts: { path: toPathText(path) } },
        );
      case 'link':
        await this.#link(folder, path, action);
        return;
      case 'compare':
        await this.#compare(folder, path, action);
        return;
      case 'adjust':
        this.#outcome.act({ ...told('adjust', path, action.wanted), metadata: action.metadata });
        await this.#stay(path, action.wanted, 'unsettled');
        return;
      case 'keep':
        this.#tell('keep', path, action.wanted);
        await this.#stay(path, action.wanted, 'settled');
        return;
      case 'delete':
        this.#outcome.act({
          action: 'delete',
          path,
          kind: kindOf(action.local.status.mode),
          bytes: 0,
        });
        folder.unsettled = true;
        await this.#push({ type: 'remove', path, extent: 'tree' });
    }
  }

  #tell(action: ActionWord, path: Buffer, wanted: WantedEntry): void {
    this.#outcome.act(told(action, path, wanted));
  }

  async #create(folder: OpenFolder, path: Buffer, wanted: WantedEntry): Promise<void> {
    const { version, way } = wanted;
    folder.unsettled = true;
    if (version.kind === 'folder') {
      this.#stack.announce({ path, version, state: 'new', way, unsettled: true });
      await this.#push({ type: 'folder', path, version });
    } else {
      await this.#push({ type: version.kind === 'file' ? 'file' : 'make', path, version });
    }
  }

  async #replace(folder: OpenFolder, path: Buffer, wanted: WantedEntry): Promise<void> {
    const extent = this.#rules.extra === 'delete' ? 'tree' : 'one';
    await this.#push({ type: 'remove', path, extent });
    await this.#create(folder, path, wanted);
  }

  /** What is there remains, with other metadata perhaps; a folder gets it when it is left. */
  async #stay(path: Buffer, wanted: WantedEntry, settled: 'settled' | 'unsettled'): Promise<void> {
    const { version, way } = wanted;
    const unsettled = settled === 'unsettled';
    if (version.kind === 'folder') {
      this.#stack.announce({ path, version, state: 'present', way, unsettled });
    } else if (unsettled) {
      await this.#push({ type: 'settle', path, version, state: 'present' });
    }
  }

  /** Whether two names share an inode is decided when the first has been written. */
  async #link(
    folder: OpenFolder,
    path: Buffer,
    action: PlannedAction & { readonly type: 'link' },
  ): Promise<void> {
    const first = action.local === undefined ? undefined : this.#local.status(action.to);
    const same =
      first !== undefined &&
      first.ino === action.local?.status.ino &&
      first.dev === action.local.status.dev;
    this.#tell(same ? 'keep' : 'link', path, action.wanted);
    if (!same) folder.unsettled = true;
    const { version } = action.wanted;
    await this.#push({ type: 'link', path, version, to: action.to });
  }

  async #compare(folder: OpenFolder, path: Buffer, action: Comparison): Promise<void> {
    const { wanted, local, metadata } = action;
    const found = await this.#patch(folder, path, action);
    if (found === 'replace') {
      this.#tell('replace', path, wanted);
      await this.#replace(folder, path, wanted);
    } else if (found.bytes > 0 || local.status.size !== wanted.version.size) {
      this.#outcome.act({ ...told('rewrite', path, wanted), bytes: found.bytes });
      await this.#stay(path, wanted, 'unsettled');
    } else if (metadata.length > 0) {
      this.#outcome.act({ ...told('adjust', path, wanted), metadata });
      await this.#stay(path, wanted, 'unsettled');
    } else {
      this.#tell('keep', path, wanted);
    }
  }

  /**
   * Pushes patches of the blocks that differ. A file with other names on disk is never written into,
   * because those may belong to somebody else: it is replaced as soon as anything differs.
   */
  async #patch(
    folder: OpenFolder,
    path: Buffer,
    { wanted: { name, version, digests }, local: { status }, metadata }: Comparison,
  ): Promise<'replace' | { readonly bytes: number }> {
    const shared = status.nlink > 1;
    if (shared) {
      const key = `${status.dev}:${status.ino}`;
      const claimed = this.#claims.get(key) ?? version.node;
      if (claimed !== version.node || metadata.length > 0 || status.size !== version.size) {
        return 'replace';
      }
      this.#claims.set(key, version.node);
    }
    const fd = this.#local.openFile(folder, name);
    let bytes = 0;
    try {
      const { node, size } = version;
      const file = { hash: this.#hash, node, size, fd, localSize: status.size, digests };
      if (isSameSmallFile(file)) {
        this.#outcome.bytesCompared += size;
        this.#outcome.advance({ bytes: size });
        return { bytes };
      }
      const request = { ...file, source: this.#source, signal: this.#signal };
      for await (const { ranges, comparedBytes } of differingRanges(request)) {
        const differing = rangeBytes(ranges, version.size);
        this.#outcome.bytesCompared += comparedBytes;
        if (differing > 0 && shared) return 'replace';
        this.#outcome.advance({ bytes: comparedBytes - differing });
        bytes += differing;
        if (differing > 0) await this.#push({ type: 'patch', path, version, ranges });
      }
    } finally {
      closeSync(fd);
    }
    return { bytes };
  }
}

function told(
  action: ActionWord,
  path: Buffer,
  { version }: WantedEntry,
): {
  readonly action: ActionWord;
  readonly path: Buffer;
  readonly kind: WantedEntry['version']['kind'];
  readonly bytes: number;
} {
  const writes = action === 'create' || action === 'replace';
  return { action, path, kind: version.kind, bytes: writes ? version.size : 0 };
}
