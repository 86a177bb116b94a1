/**
 * Chooses how changes of a set are seen: chokidar for trees it can hold, else scans alone. Scans
 * back chokidar too, since no watcher sees everything.
 */
import { opendirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { CapturedRoot, CaptureReport, CaptureSource } from './capture-source.js';
import { createChokidarSource } from './chokidar-source.js';
import { createScanSource } from './scan-source.js';

export interface CaptureChoice {
  readonly source: 'auto' | 'chokidar' | 'scan';
  readonly roots: readonly CapturedRoot[];
  readonly ownFolders: readonly string[];
  /** Files that chokidar may watch, with one watch each. */
  readonly watchFilesMax: number;
  readonly scanEveryMs: number;
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

  async start(report: (seen: CaptureReport) => void): Promise<void> {
    await this.#scan.start(report);
    const { source, roots, watchFilesMax, log, ownFolders } = this.#choice;
    if (source === 'scan') return;
    if (source === 'auto' && !hasAtMost(roots, watchFilesMax)) {
      this.#sayTooMany();
      return;
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
