/** What tests of the kernel's reports share: roots on real file systems, and what was reported. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CaptureReport, CaptureSource } from '../../../agent/capture/capture-source.js';
import {
  createFanotifySource,
  type FanotifyOptions,
} from '../../../agent/capture/fanotify-source.js';
import { silentLog } from '../../../shared/log.js';
import { whyNoFeed } from '../../../shared/posix/feed.js';

/** Why the kernel's reports cannot be tested here; undefined when they can. */
export function feedMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not run as root';
  return whyNoFeed();
}

/** A source over `folder`/<name> for each name, and all it reported. */
export class Captured {
  readonly seen: CaptureReport[] = [];
  readonly source: CaptureSource;

  constructor(roots: FanotifyOptions['roots'], options: Partial<FanotifyOptions> = {}) {
    this.source = createFanotifySource({ roots, ownFolders: [], log: silentLog, ...options });
  }

  static async start(
    folder: string,
    names: readonly string[] = ['root'],
    options: Partial<FanotifyOptions> = {},
  ): Promise<Captured> {
    const roots = names.map((name) => ({ name, path: join(folder, name) }));
    for (const { path } of roots) mkdirSync(path, { recursive: true });
    const captured = new Captured(roots, options);
    await captured.start();
    return captured;
  }

  async start(): Promise<void> {
    await this.source.start((report) => void this.seen.push(report));
  }

  /** What was reported of `change`, each thing once and sorted, as `type path`. */
  async of(change: () => void): Promise<string[]> {
    await this.drain();
    this.seen.length = 0;
    change();
    await this.drain();
    return this.told();
  }

  async drain(): Promise<void> {
    await this.source.drain?.();
  }

  told(): string[] {
    return [...new Set(this.seen.map(describe))].sort();
  }

  /** Whether `path` is among what a look at the reported paths would see. */
  covers(path: string): boolean {
    return this.coverage()(path);
  }

  /** The same for many paths. */
  coverage(): (path: string) => boolean {
    const alone = new Set<string>();
    const whole = new Set<string>();
    for (const report of this.seen) {
      if (report.type === 'changed') alone.add(report.path.toString('latin1'));
      else if (report.type === 'arrived') whole.add(report.path.toString('latin1'));
      else if (report.type === 'gap') whole.add(report.covers.toString('latin1'));
    }
    return (path) => {
      if (alone.has(path) || whole.has('') || whole.has(path)) return true;
      for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
        if (whole.has(path.slice(0, slash))) return true;
      }
      return false;
    };
  }
}

function describe(report: CaptureReport): string {
  if (report.type === 'look') return 'look';
  if (report.type === 'gap') return `gap ${report.reason} ${report.covers.toString()}`;
  return `${report.type} ${report.path.toString('latin1')}`;
}
