/**
 * Chooses how changes of a set are seen: the kernel's reports where it makes them to us, else
 * chokidar for trees it can hold, else scans alone. Scans back every other source, since none sees
 * everything.
 */
import { opendirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { CapturedRoot, CaptureReport, CaptureSource } from './capture-source.js';
import { createChokidarSource } from './chokidar-source.js';
import { createFanotifySource, isUnavailable, type FanotifyOptions } from './fanotify-source.js';
import { createScanSource } from './scan-source.js';
import { CLONE_FOLDER } from '../plan/plan-parts.js';

const SLASH = 0x2f;
const cloneFolder = Buffer.concat([Buffer.from([SLASH]), CLONE_FOLDER]);

export interface CaptureChoice {
  readonly source: 'auto' | 'fanotify' | 'chokidar' | 'scan';
  readonly roots: readonly CapturedRoot[];
  readonly ownFolders: readonly string[];
  /** Files that chokidar may watch, with one watch each. */
  readonly watchFilesMax: number;
  readonly scanEveryMs: number;
  readonly pathsOf?: FanotifyOptions['pathsOf'];
  readonly feedOf?: FanotifyOptions['feedOf'];
  readonly log: Log;
}

export function createCapture(choice: CaptureChoice): CaptureSource {
  return new ChosenCapture(choice);
}

class ChosenCapture implements CaptureSource {
  readonly #choice: CaptureChoice;
  readonly #scan: CaptureSource;
  #watcher: CaptureSource | undefined;

  constructor(choice: CaptureChoice) {
    this.#choice = choice;
    this.#scan = createScanSource({ everyMs: choice.scanEveryMs });
  }

  get name(): string {
    return this.#watcher?.name ?? this.#scan.name;
  }

  get drain(): (() => Promise<void>) | undefined {
    return this.#watcher?.drain;
  }

  async start(tell: (seen: CaptureReport) => void): Promise<void> {
    const report = (seen: CaptureReport): void => {
      if (seen.type !== 'changed' || !isInCloneFolder(seen.path)) tell(seen);
    };
    await this.#scan.start(report);
    const { source, roots, watchFilesMax, scanEveryMs, log, ownFolders } = this.#choice;
    if (source === 'scan') return;
    if (source === 'auto' || source === 'fanotify') {
      const refusal = await this.#tryFanotify(report);
      if (refusal === undefined) return;
      const byScans = source === 'fanotify' || !hasAtMost(roots, watchFilesMax);
      log.warn(`${refusal}; ${byScans ? 'scans find changes' : 'each file is watched instead'}`, {
        watchFilesMax,
        scanEveryMs,
      });
      if (byScans) return;
    }
    this.#watcher = createChokidarSource({
      roots,
      ownFolders,
      filesMax: source === 'chokidar' ? Infinity : watchFilesMax,
      onTooMany: () => {
        this.#sayTooMany();
        void this.#stopWatcher();
      },
      log,
    });
    await this.#watcher.start(report);
  }

  /** Why the kernel's reports do not serve; undefined when they do. */
  async #tryFanotify(report: (seen: CaptureReport) => void): Promise<string | undefined> {
    const source = createFanotifySource(this.#choice);
    try {
      await source.start(report);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return error.message;
    }
    this.#watcher = source;
    return undefined;
  }

  async stop(): Promise<void> {
    await this.#scan.stop();
    await this.#stopWatcher();
  }

  async #stopWatcher(): Promise<void> {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    await watcher?.stop();
  }

  #sayTooMany(): void {
    const { watchFilesMax, scanEveryMs, log } = this.#choice;
    log.info('there are too many files to watch each of them; scans find changes', {
      watchFilesMax,
      scanEveryMs,
    });
  }
}

/** The agent's own clones come and go in it; it is never walked. */
function isInCloneFolder(path: Buffer): boolean {
  const at = path.indexOf(cloneFolder);
  if (at < 0) return false;
  const end = at + 1 + CLONE_FOLDER.length;
  return end === path.length || path[end] === SLASH || isInCloneFolder(path.subarray(at + 1));
}

/** Counts entries below the roots, no further than needed. */
function hasAtMost(roots: readonly CapturedRoot[], max: number): boolean {
  let left = max;
  const folders = roots.map((root) => root.path);
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      const entries = opendirSync(folder);
      try {
        for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
          if (--left < 0) return false;
          if (entry.isDirectory()) folders.push(join(folder, entry.name));
        }
      } finally {
        entries.closeSync();
      }
    } catch (error) {
      // What cannot be read is not watched either.
      if (errnoOf(error) === undefined) throw error;
    }
  }
  return true;
}
