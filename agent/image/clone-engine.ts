/**
 * Images by clone: while the application is held, what changed is cloned, or its whole subvolume is
 * snapshotted, and nothing is read; the content is read when the application runs again. What each
 * root's file system can do is found out before every image, so that a root may be mounted, moved or
 * formatted anew at any time; where it can do nothing, files are read while held, as in rounds.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { basename } from 'node:path';
import type { Log } from '../../shared/log.js';
import { errnoOf } from '../../shared/errors.js';
import type { Posix } from '../../shared/posix/posix.js';
import type { RootPath } from '../plan/open-roots.js';
import { CLONE_FOLDER } from '../plan/plan-parts.js';
import { orStopped } from '../plan/stoppable-session.js';
import { CloneFolder } from './clone-folder.js';
import { CloneHome } from './clone-home.js';
import { CloneStore, descriptorsForClones } from './clone-store.js';
import type { ImageEngine, ImageRequest, ImageTaken } from './image-engine.js';
import { readWhileHeld } from './rounds-engine.js';
import { isSubvolume, SnapshotWay, type HomedRoot } from './snapshot-way.js';
import { takeInRounds, type HeldWay } from './take-in-rounds.js';

export interface CloneEngineOptions {
  readonly roots: readonly RootPath[];
  /** The set's folder of the agent's data; it is never walked. */
  readonly setFolder: string;
  readonly posix: Posix;
  readonly log: Log;
  /** Clones that have no name, at most; the usual number when left out. */
  readonly descriptorsMax?: number;
}

export function createCloneEngine(options: CloneEngineOptions): ImageEngine {
  return new CloneEngine(options);
}

class CloneEngine implements ImageEngine {
  readonly name = 'clone';
  readonly #options: CloneEngineOptions;
  /** In the order of preference for each root: of the agent's data, then of the root itself. */
  readonly #shared: CloneFolder;
  readonly #own: ReadonlyMap<RootPath, CloneFolder>;
  /** What a crash left is gone when this resolves. */
  readonly #swept: Promise<void>;

  constructor(options: CloneEngineOptions) {
    const { posix, roots, setFolder } = options;
    this.#options = options;
    const id = createHash('sha256').update(setFolder).digest('hex').slice(0, 16);
    const names = [CLONE_FOLDER.toString(), `${basename(setFolder)}-${id}`];
    this.#shared = new CloneFolder(posix, { parent: setFolder, names: ['clones'] });
    this.#own = new Map(
      roots.map((root) => [root, new CloneFolder(posix, { parent: root.path, names })]),
    );
    this.#swept = this.#sweep();
  }

  async take(request: ImageRequest): Promise<ImageTaken> {
    await this.#swept;
    const roots = this.#openRoots();
    const way = this.#choose(request, roots);
    let taken: ImageTaken;
    try {
      taken = await takeInRounds(request, way);
    } finally {
      if (way instanceof SnapshotWay) await way.close();
      for (const { fd } of roots) closeSync(fd);
    }
    // After a failure clones with a name may still be there, to be removed through it.
    for (const folder of this.#folders) folder.release();
    return taken;
  }

  async close(): Promise<void> {
    await this.#swept;
    await this.#sweep();
  }

  #choose(request: ImageRequest, roots: readonly HomedRoot[]): HeldWay {
    const { posix, roots: all } = this.#options;
    if (roots.length === 0) return readWhileHeld(request);
    const cloning = this.#cloneWhileHeld(request, roots);
    const whole =
      roots.length === all.length && roots.every(({ fd }) => isSubvolume(posix.fstat(fd), fd));
    if (!whole) return cloning;
    const otherwise = request.recipe.name === 'none' ? unheld(cloning) : cloning;
    return new SnapshotWay(request, { posix, roots, otherwise });
  }

  get #folders(): CloneFolder[] {
    return [this.#shared, ...this.#own.values()];
  }

  #cloneWhileHeld(request: ImageRequest, roots: readonly HomedRoot[]): HeldWay {
    const { posix, log, descriptorsMax = descriptorsForClones() } = this.#options;
    const homes = new Map(
      roots.map(({ root, home }) => [Buffer.from(root.name).toString('latin1'), home]),
    );
    return {
      needsNoHold: false,
      prepare: () => this.#flush(request, roots),
      take: async () => {
        const cloner = new CloneStore({ posix, homes, descriptorsMax, log });
        await request.look({ held: true, cloner });
        return { engine: this.name, moved: request.movedWhileHeld() };
      },
      finish: () => request.readHeldFiles(),
    };
  }

  /** A clone waits for what is dirty of its file: most of it is flushed before anybody is held. */
  async #flush(request: ImageRequest, roots: readonly HomedRoot[]): Promise<void> {
    const { posix, log } = this.#options;
    for (const { fd } of roots) {
      try {
        await orStopped(posix.syncfs(fd), request.signal);
      } catch (error) {
        request.signal.throwIfAborted();
        log.warn('a file system could not be flushed', { code: errnoOf(error) });
      }
    }
  }

  /** Those whose files can be cloned. A root that is missing is the walk's to report. */
  #openRoots(): HomedRoot[] {
    const opened: HomedRoot[] = [];
    for (const root of this.#options.roots) {
      let fd: number;
      try {
        fd = openSync(root.path, constants.O_RDONLY | constants.O_DIRECTORY);
      } catch (error) {
        if (errnoOf(error) === undefined) throw error;
        continue;
      }
      const home = this.#homesOf(root, fd).find((candidate) => candidate.serves(fd));
      if (home === undefined) closeSync(fd);
      else opened.push({ root, fd, home });
    }
    return opened;
  }

  #homesOf(root: RootPath, fd: number): CloneHome[] {
    const { posix, setFolder } = this.#options;
    const own = this.#own.get(root);
    const inRoot = Buffer.from(`/proc/self/fd/${fd}/.`);
    return [
      new CloneHome(posix, { unnamed: Buffer.from(setFolder), folder: this.#shared }),
      ...(own === undefined ? [] : [new CloneHome(posix, { unnamed: inRoot, folder: own })]),
    ];
  }

  async #sweep(): Promise<void> {
    for (const folder of this.#folders) {
      try {
        await folder.remove();
      } catch (error) {
        this.#options.log.warn('what clones left could not be removed', {
          folder: folder.parent,
          code: errnoOf(error),
        });
      }
    }
  }
}

/** Where nothing is held, the look before it stands: one that trusts in a hold would not be true. */
function unheld(way: HeldWay): HeldWay {
  return {
    ...way,
    take: () => Promise.resolve({ engine: 'rounds', moved: [] }),
    finish: () => Promise.resolve(),
  };
}
