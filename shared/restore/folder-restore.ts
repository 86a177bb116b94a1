/**
 * Turns the parts of a walk into steps: plans each folder against what is on disk, compares files,
 * and says what it does. Folders get their metadata when everything below them is done.
 */
import { AfterimageError } from '../errors.js';
import type { HashCore } from '../hash/hash-core.js';
import { toPathText } from '../path-text.js';
import { isEntryName } from '../protocol/records.js';
import { TimeSlice } from '../time-slice.js';
import { type Comparison, FileContents } from './file-contents.js';
import { LinkMemory } from './link-memory.js';
import type { LocalState } from './local-state.js';
import { FolderStack, type OpenFolder } from './open-folder.js';
import type { Outcome } from './outcome.js';
import {
  isFullFolder,
  kindOf,
  type LocalEntry,
  planEntry,
  planFolder,
  type PlannedAction,
  type PlanRules,
  type WantedEntry,
} from './plan.js';
import type { FolderPart, PointSource, SourceEntry } from './point-source.js';
import type { Spares } from './remove-tree.js';
import type { ActionWord } from './request.js';
import { joinPath } from './set-path.js';
import type { Step } from './step.js';
import { throwIfCancelled } from './cancelled.js';

type WantedAction = Extract<PlannedAction, { readonly wanted: WantedEntry }>;

export class FolderRestore {
  readonly #local: LocalState;
  readonly #rules: PlanRules;
  readonly #outcome: Outcome;
  readonly #signal: AbortSignal;
  /** Takes a step; does nothing when only planning. */
  readonly #push: (step: Step) => Promise<void>;
  readonly #isKept: Spares;
  readonly #spares: Spares;
  readonly #leftover: Buffer;
  readonly #slice = new TimeSlice();
  readonly #stack = new FolderStack();
  readonly #links = new LinkMemory();
  readonly #contents: FileContents;

  constructor(context: {
    readonly source: PointSource;
    readonly hash: HashCore;
    readonly local: LocalState;
    readonly rules: PlanRules;
    readonly outcome: Outcome;
    readonly signal: AbortSignal;
    readonly push: (step: Step) => Promise<void>;
    /** What the point lacks, and yet stays. */
    readonly isKept: Spares;
    /** What stays as it is with all below it, also where the point has something else. */
    readonly spares: Spares;
    /** Name of what a run that died may have left in the folder where it was. */
    readonly leftover: Buffer;
  }) {
    this.#leftover = context.leftover;
    this.#isKept = context.isKept;
    this.#spares = context.spares;
    this.#local = context.local;
    this.#rules = context.rules;
    this.#outcome = context.outcome;
    this.#signal = context.signal;
    this.#push = context.push;
    this.#contents = new FileContents(context);
    const set = { path: Buffer.alloc(0), version: undefined, state: 'present', way: true } as const;
    this.#stack.announce({ ...set, unsettled: false, foreign: false, spared: false });
  }

  async part(part: FolderPart): Promise<void> {
    const folder = await this.#stack.enter(part, (left) => this.#leave(left));
    if (folder === undefined) return;
    const wanted = part.entries.flatMap((entry) => this.#want(folder, entry) ?? []);
    for (const action of this.#plan(folder, part, wanted)) {
      await this.#slice.breathe();
      throwIfCancelled(this.#signal);
      const { name } = 'wanted' in action ? action.wanted : action.local;
      const path = joinPath(folder.path, name);
      try {
        if ('wanted' in action && this.#isSpared(folder, path, action)) {
          this.#passOver(path, action);
        } else await this.#act(folder, path, action);
      } catch (error) {
        this.#outcome.fail(path, error);
      }
      if ('wanted' in action) this.#outcome.advance({ entries: 1 });
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

  /** What no point of the set has, no undo point has either. */
  #isSpared(folder: OpenFolder, path: Buffer, action: WantedAction): boolean {
    if (folder.spared) return true;
    const local = localOf(action);
    return local !== undefined && this.#spares(path, local.status);
  }

  /** As `#spare`, for all that is below it as well. */
  #passOver(path: Buffer, action: WantedAction): void {
    const { wanted } = action;
    const { version } = wanted;
    const local = localOf(action);
    this.#tell('spare', path, wanted);
    this.#outcome.notes.add('what the set leaves out of its points was left as it is');
    if (version.kind !== 'folder') this.#links.forget(version.node);
    else if (local !== undefined && kindOf(local.status.mode) === 'folder') {
      const stays = { state: 'present', way: true, unsettled: false } as const;
      this.#stack.announce({ path, version, ...stays, foreign: true, spared: true });
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
        await this.#replace(folder, path, action);
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
        await this.#stay(path, action, 'unsettled');
        return;
      case 'keep':
        this.#tell('keep', path, action.wanted);
        await this.#stay(path, action, 'settled');
        return;
      case 'spare':
        this.#spare(path, action);
        return;
      default:
        await this.#orphan(folder, path, action);
    }
  }

  /** What the point lacks. Below what is mounted there nothing goes: it was never part of the set. */
  async #orphan(
    folder: OpenFolder,
    path: Buffer,
    { type, local }: PlannedAction & { readonly type: 'delete' | 'move' | 'leave' },
  ): Promise<void> {
    const { status } = local;
    if (local.name.equals(this.#leftover)) {
      await this.#push({ type: 'remove', path, extent: 'one' });
      return;
    }
    const stays = type === 'leave' || folder.foreign || this.#isKept(path, status);
    const action = stays ? 'leave' : type;
    this.#outcome.act({ action, path, kind: kindOf(status.mode), bytes: 0 });
    if (stays) return;
    folder.unsettled = true;
    await this.#push(
      type === 'move' ? { type: 'move', path } : { type: 'remove', path, extent: 'tree' },
    );
  }

  #spare(path: Buffer, { wanted, local }: PlannedAction & { readonly type: 'spare' }): void {
    const { version } = wanted;
    this.#tell('spare', path, wanted);
    if (version.kind === 'folder' && kindOf(local.status.mode) === 'folder') {
      // Its own metadata stays; what is below it is looked at name by name.
      this.#announce(path, wanted, { local, way: true, unsettled: false });
    } else if (version.kind !== 'folder') {
      this.#links.forget(version.node);
    }
  }

  #announce(
    path: Buffer,
    { version }: WantedEntry,
    how: { readonly local: LocalEntry; readonly way: boolean; readonly unsettled: boolean },
  ): void {
    const { local, way, unsettled } = how;
    const foreign = this.#isKept(path, local.status) || this.#local.isOtherFileSystem(path, local);
    const there = { state: 'present', way, unsettled } as const;
    this.#stack.announce({ path, version, ...there, foreign, spared: false });
  }

  #tell(action: ActionWord, path: Buffer, wanted: WantedEntry): void {
    this.#outcome.act(told(action, path, wanted));
  }

  async #create(folder: OpenFolder, path: Buffer, wanted: WantedEntry): Promise<void> {
    const { version, way } = wanted;
    folder.unsettled = true;
    if (version.kind === 'folder') {
      const made = { state: 'new', way, unsettled: true } as const;
      this.#stack.announce({ path, version, ...made, foreign: false, spared: false });
      await this.#push({ type: 'folder', path, version });
    } else {
      await this.#push(
        version.kind === 'file' ? this.#fileStep(path, version) : { type: 'make', path, version },
      );
    }
  }

  #fileStep(path: Buffer, version: WantedEntry['version'], over?: 'replace' | 'rename'): Step {
    const file = { type: 'file', path, version } as const;
    if (this.#rules.conflict.type === 'overwrite') return file;
    return { ...file, over: over ?? 'nothing' };
  }

  async #replace(
    folder: OpenFolder,
    path: Buffer,
    { wanted, local }: { readonly wanted: WantedEntry; readonly local: LocalEntry },
  ): Promise<void> {
    const renames = this.#rules.conflict.type === 'rename';
    this.#tell(renames ? 'rename' : 'replace', path, wanted);
    const { version } = wanted;
    const overFile = version.kind === 'file' && kindOf(local.status.mode) !== 'folder';
    if (overFile && this.#rules.conflict.type !== 'overwrite') {
      folder.unsettled = true;
      await this.#push(this.#fileStep(path, version, renames ? 'rename' : 'replace'));
      return;
    }
    await this.#displace(path, wanted, local);
    await this.#create(folder, path, wanted);
  }

  /** Gets out of the way what is there, as the policies say. */
  async #displace(path: Buffer, wanted: WantedEntry, local: LocalEntry): Promise<void> {
    const { conflict, orphans } = this.#rules;
    if (conflict.type === 'rename') {
      await this.#push({ type: 'rename', path });
    } else if (orphans === 'move-aside' && isFullFolder(wanted, local)) {
      this.#outcome.act({ action: 'move', path, kind: 'folder', bytes: 0 });
      await this.#push({ type: 'move', path });
    } else {
      await this.#push({ type: 'remove', path, extent: orphans === 'delete' ? 'tree' : 'one' });
    }
  }

  /** What is there remains, with other metadata perhaps; a folder gets it when it is left. */
  async #stay(
    path: Buffer,
    { wanted, local }: { readonly wanted: WantedEntry; readonly local: LocalEntry },
    settled: 'settled' | 'unsettled',
  ): Promise<void> {
    const { version, way } = wanted;
    const unsettled = settled === 'unsettled';
    if (version.kind === 'folder') {
      this.#announce(path, wanted, { local, way, unsettled });
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
    if (this.#links.find(action.wanted.version.node) === undefined) {
      await this.#firstAfterAll(folder, path, action);
      return;
    }
    const first = action.local === undefined ? undefined : this.#local.status(action.to);
    const same =
      first !== undefined &&
      first.ino === action.local?.status.ino &&
      first.dev === action.local.status.dev;
    this.#tell(same ? 'keep' : 'link', path, action.wanted);
    const { version } = action.wanted;
    if (!same) folder.unsettled = true;
    if (!same && action.local !== undefined && mayBeLost(this.#rules, action)) {
      await this.#displace(path, action.wanted, action.local);
    }
    await this.#push({ type: 'link', path, version, to: action.to });
  }

  /** Another name whose first one was spared: the point's node has its place here. */
  async #firstAfterAll(
    folder: OpenFolder,
    path: Buffer,
    { wanted: { name, version, way, digests }, local }: PlannedAction & { readonly type: 'link' },
  ): Promise<void> {
    this.#links.remember(version.node, folder.path, name);
    const wanted = { name, version, way, ...(digests === undefined ? {} : { digests }) };
    await this.#act(folder, path, planEntry(wanted, local, this.#rules));
  }

  async #compare(folder: OpenFolder, path: Buffer, action: Comparison): Promise<void> {
    const { wanted, local, metadata } = action;
    const found = await this.#contents.patch(folder, path, action);
    if (found === 'replace') {
      await this.#replace(folder, path, action);
    } else if (found.bytes > 0 || local.status.size !== wanted.version.size) {
      this.#outcome.act({ ...told('rewrite', path, wanted), bytes: found.bytes });
      await this.#stay(path, action, 'unsettled');
    } else if (metadata.length > 0) {
      this.#outcome.act({ ...told('adjust', path, wanted), metadata });
      await this.#stay(path, action, 'unsettled');
    } else {
      this.#tell('keep', path, wanted);
    }
  }
}

function localOf(action: WantedAction): LocalEntry | undefined {
  return 'local' in action ? action.local : undefined;
}

/** Whether a link takes the place of something that the policies set aside. */
function mayBeLost(
  { conflict, orphans }: PlanRules,
  { wanted, local }: PlannedAction & { readonly type: 'link' },
): boolean {
  if (conflict.type === 'rename') return true;
  return orphans === 'move-aside' && local !== undefined && isFullFolder(wanted, local);
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
  const writes = action === 'create' || action === 'replace' || action === 'rename';
  return { action, path, kind: version.kind, bytes: writes ? version.size : 0 };
}
