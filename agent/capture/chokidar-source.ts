/**
 * Capture by chokidar: works everywhere without privileges, holds one watch for every file, and
 * loses events in bursts. Whatever it says about itself, an error or a limit, is a gap.
 */
import { watch, type FSWatcher } from 'chokidar';
import { relative, sep } from 'node:path';
import { errnoOf, messageOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { CapturedRoot, CaptureReport, CaptureSource } from './capture-source.js';

const REPLACEMENT = '\ufffd';
/** Errors come in floods; one gap stands for many. */
const GAP_EVERY_MS = 1_000;
const everything = Buffer.alloc(0);

export interface ChokidarOptions {
  readonly roots: readonly CapturedRoot[];
  /** Absolute paths of folders that are not watched: the agent's own data. */
  readonly ownFolders: readonly string[];
  /** Watched files and folders at most. */
  readonly filesMax: number;
  /** Called once, when the tree outgrows `filesMax` or the system's limits; to be stopped then. */
  readonly onTooMany: () => void;
  readonly log: Log;
}

export function createChokidarSource(options: ChokidarOptions): CaptureSource {
  return new ChokidarSource(options);
}

class ChokidarSource implements CaptureSource {
  readonly name = 'chokidar';
  readonly #options: ChokidarOptions;
  #watcher: FSWatcher | undefined;
  /** Lets `start` resolve, once. */
  #started: () => void = () => undefined;
  #report: (seen: CaptureReport) => void = () => undefined;
  #watched = 0;
  #failed = false;
  #failedMs = 0;

  constructor(options: ChokidarOptions) {
    this.#options = options;
  }

  start(report: (seen: CaptureReport) => void): Promise<void> {
    const { roots, ownFolders } = this.#options;
    this.#report = report;
    const watcher = watch(
      roots.map((root) => root.path),
      {
        persistent: true,
        followSymlinks: false,
        ignorePermissionErrors: true,
        ignored: (path) => ownFolders.some((own) => path === own || path.startsWith(own + sep)),
      },
    );
    this.#watcher = watcher;
    let ready = false;
    return new Promise((resolve) => {
      this.#started = () => {
        ready = true;
        resolve();
      };
      watcher.on('all', (event, path) => {
        this.#count(event);
        if (ready) this.#changed(path);
      });
      watcher.on('raw', (_event, name, details: unknown) => {
        // A name that is not UTF-8 cannot be looked at: chokidar stays silent about it (R23).
        const folder = watchedPathOf(details);
        if (name.includes(REPLACEMENT) && folder !== undefined) this.#changed(folder);
      });
      watcher.on('error', (error) => {
        this.#fail(error);
        // after an error on the way, such as a path too long to list, chokidar never calls itself ready
        this.#started();
      });
      watcher.on('ready', () => {
        this.#started();
      });
    });
  }

  async stop(): Promise<void> {
    this.#report = () => undefined;
    this.#started(); // a watcher that is closed while it starts is never ready
    await this.#watcher?.close();
  }

  #count(event: string): void {
    if (event === 'add' || event === 'addDir') this.#watched += 1;
    else if (event === 'unlink' || event === 'unlinkDir') this.#watched -= 1;
    if (this.#watched > this.#options.filesMax && !this.#failed) this.#giveUp();
  }

  #changed(path: string): void {
    for (const root of this.#options.roots) {
      const below = relative(root.path, path);
      if (below === '..' || below.startsWith(`..${sep}`)) continue;
      const whole = below === '' ? root.name : `${root.name}/${below}`;
      // The part of a path above a name that is not UTF-8.
      const lost = whole.indexOf(REPLACEMENT);
      const told = lost < 0 ? whole : whole.slice(0, Math.max(0, whole.lastIndexOf('/', lost)));
      this.#report({ type: 'changed', path: Buffer.from(told) });
      return;
    }
  }

  /** ENOSPC and EMFILE mean that watches are missing for good; anything else, that events are. */
  #fail(error: unknown): void {
    if (this.#failed) return;
    const errno = errnoOf(error);
    if (errno === 'ENOSPC' || errno === 'EMFILE') {
      this.#giveUp();
      return;
    }
    const now = Date.now();
    if (now - this.#failedMs < GAP_EVERY_MS) return;
    this.#failedMs = now;
    this.#options.log.warn('the watcher may have missed changes; a scan finds them', {
      error: messageOf(error),
    });
    this.#report({ type: 'gap', reason: 'watcher', covers: everything });
  }

  #giveUp(): void {
    this.#failed = true;
    this.#report({ type: 'gap', reason: 'watcher', covers: everything });
    this.#options.onTooMany();
  }
}

function watchedPathOf(details: unknown): string | undefined {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) {
    return undefined;
  }
  return typeof details.watchedPath === 'string' ? details.watchedPath : undefined;
}
