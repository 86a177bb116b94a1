/**
 * The look at everything behind a source of events: stores into mapped memory, asynchronous I/O and
 * writes below the file system raise none (promise 4). Compares every folder with the hash that its
 * last look left and records those that differ, for the next sync to look into; it plans nothing
 * and holds up no sync.
 */
import { errnoOf } from '../../shared/errors.js';
import { SET_NODE } from '../../shared/protocol/records.js';
import { TimeSlice } from '../../shared/time-slice.js';
import type { SetParts } from '../pipeline.js';
import { isBlind, mappedOn } from '../plan/mapped-files.js';
import { OpenFolder } from '../plan/open-folder.js';
import { closeRoots, openRoots, type OpenRoot } from '../plan/open-roots.js';
import { ScanAhead } from '../plan/scan-ahead.js';
import type { FolderEntry } from '../state/node-table.js';
import { pathsOfFile } from '../state/paths-of-file.js';

/** Work between rests; a sync waits no longer than this. */
const SLICE_MS = 4;
/** Rest after a slice: the survey takes a fifth of the thread at most. */
const REST_MS = 16;

export interface SurveyOptions {
  /** Resolves when no sync runs; rejects, or throws, when the survey is to end. */
  readonly idle: () => Promise<void> | undefined;
  readonly rest: (ms: number) => Promise<void>;
}

type Parts = Pick<
  SetParts,
  'roots' | 'posix' | 'core' | 'state' | 'journal' | 'clock' | 'ownFolders'
>;

/**
 * Resolves with the number of folders that differ. Folders that vanish meanwhile are recorded too.
 * @throws AfterimageError `root-missing`, or what `idle` ends it with
 */
export async function survey(parts: Parts, options: SurveyOptions): Promise<number> {
  const { posix, roots } = parts;
  const opened = openRoots(roots, parts);
  try {
    // A store into a page that is dirty already moves no time of its file until the page is flushed.
    const systems = new Map(opened.map(({ status, fd }) => [status.dev, fd]));
    for (const fd of systems.values()) await posix.syncfs(fd);
    const looker = new Surveyor(parts, options);
    for (const root of opened) {
      recordMapped(root, parts);
      await looker.below(root);
    }
    return looker.different;
  } finally {
    closeRoots(opened);
  }
}

/** Where stores can leave no trace, what is mapped is read again. */
function recordMapped(root: OpenRoot, { posix, state, journal }: Parts): void {
  if (!isBlind(root)) return;
  for (const status of mappedOn(root.status, posix)) {
    for (const path of pathsOfFile(state, status)) journal.record(path);
  }
}

interface Frame {
  readonly folder: OpenFolder;
  children: readonly FolderEntry[];
  next: number;
}

class Surveyor {
  different = 0;
  readonly #parts: Parts;
  readonly #options: SurveyOptions;
  readonly #slice = new TimeSlice(SLICE_MS);
  readonly #ahead: ScanAhead;

  constructor(parts: Parts, options: SurveyOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#ahead = new ScanAhead(parts);
  }

  async below(root: OpenRoot): Promise<void> {
    const { name, fd } = root;
    const node = this.#parts.state.nodes.at(SET_NODE, name);
    if (node === undefined) return;
    const stack: Frame[] = [];
    this.#ahead.begin(root);
    try {
      this.#enter(stack, OpenFolder.root({ node, name, fd }));
      for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
        const child = frame.children[frame.next++];
        if (child === undefined) {
          frame.folder.close();
          stack.pop();
          continue;
        }
        await this.#giveWay();
        this.#enter(stack, frame.folder.folder(child.node, child.name));
      }
    } finally {
      this.#ahead.close();
      for (const { folder } of stack) folder.close();
    }
  }

  #enter(stack: Frame[], folder: OpenFolder): void {
    const frame: Frame = { folder, children: [], next: 0 };
    stack.push(frame);
    frame.children = this.#compare(folder);
  }

  /** The folders in it, as the state knows them. */
  #compare(folder: OpenFolder): FolderEntry[] {
    const { state, posix, core } = this.#parts;
    try {
      const packed = this.#ahead.take(folder)?.packed ?? posix.scanFolderPacked(folder.self());
      const hash = core.digest(packed);
      if (state.fingerprint(folder.node)?.equals(hash) !== true) this.#differs(folder);
      return state.nodes.childFolders(folder.node);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#differs(folder);
      return [];
    }
  }

  #differs(folder: OpenFolder): void {
    this.different += 1;
    this.#parts.journal.record(folder.pathOf(), 'listing');
  }

  async #giveWay(): Promise<void> {
    const wait = this.#options.idle();
    if (wait !== undefined) await wait;
    const rest = this.#slice.breathe();
    if (rest === undefined) return;
    await this.#options.rest(REST_MS);
    await rest;
    const again = this.#options.idle();
    if (again !== undefined) await again;
  }
}
