/**
 * Capture by the kernel's own reports: every change of names and every write through the file
 * system's calls, in order, whoever makes it, at a cost that does not grow with the tree. What the
 * kernel loses or cannot name is a gap. Roots that go away and come back are followed anew.
 */
import { fstatSync } from 'node:fs';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import {
  openFeed,
  type Feed,
  type FeedReport,
  type FileIdentity,
} from '../../shared/posix/feed.js';
import type { CapturedRoot, CaptureReport, CaptureSource } from './capture-source.js';
import { explainRefusal, openMarkedRoots, rootIdentity } from './marked-roots.js';

export interface FanotifyOptions {
  readonly roots: readonly CapturedRoot[];
  /** Absolute paths of folders that are not reported: the agent's own data. */
  readonly ownFolders: readonly string[];
  /**
   * Paths of a file, as `<root>/<path>`, by which it was last seen; empty for one that is not in
   * the set. Asked for a file that was written by a name outside the roots, or one it has no more.
   * Without it, such a write is a gap.
   */
  readonly pathsOf?: ((file: FileIdentity) => readonly Buffer[]) | undefined;
  /** The addon's; another one in tests. */
  readonly feedOf?: typeof openFeed | undefined;
  readonly log: Log;
}

/** While a root is not followed, it is looked for this often. */
const RETRY_MS = 1_000;
/** A feed that breaks soon after it was opened is opened again more and more rarely. */
const RETRY_MS_MAX = 60_000;
const BROKEN_MAX = 6;
/** What was refused may be allowed later, without anything to tell of it. */
const REFUSED_RETRIES = 60;

interface Opened {
  readonly feed: Feed;
  readonly missing: readonly CapturedRoot[];
  readonly devices: ReadonlyMap<string, number>;
}

/** `start` throws `capture-unavailable` when the roots cannot be followed. */
export function createFanotifySource(options: FanotifyOptions): CaptureSource {
  return new FanotifySource(options);
}

class FanotifySource implements CaptureSource {
  readonly #options: FanotifyOptions;
  #report: (seen: CaptureReport) => void = () => undefined;
  #current: Opened | undefined;
  /** Also those that still have events from before the current one. */
  readonly #feeds = new Set<Feed>();
  /** Every root is followed, and was since the last gap. */
  #whole = false;
  #timer: NodeJS.Timeout | undefined;
  /** What the roots' paths led to when the feed was opened or refused. */
  #triedOn = '';
  #triesLeft = 0;
  #openedMs = -Infinity;
  /** Feeds in a row that did not last. */
  #broken = 0;

  constructor(options: FanotifyOptions) {
    this.#options = options;
  }

  /** While a root is not followed, scans are what finds its changes. */
  get name(): string {
    return this.#whole ? 'fanotify' : 'scan';
  }

  get drain(): (() => Promise<void>) | undefined {
    return this.#whole ? () => this.#drainAll() : undefined;
  }

  start(report: (seen: CaptureReport) => void): Promise<void> {
    this.#report = report;
    try {
      this.#open();
    } catch (error) {
      return Promise.reject(explainRefusal(error));
    }
    return Promise.resolve();
  }

  stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#report = () => undefined;
    this.#whole = false;
    for (const feed of this.#feeds) feed.close();
    this.#feeds.clear();
    return Promise.resolve();
  }

  async #drainAll(): Promise<void> {
    await Promise.all([...this.#feeds].map((feed) => feed.drain()));
  }

  /**
   * The new feed listens before the old one ends, so that roots which both follow lose nothing. A
   * root that was not followed until now has a gap.
   */
  #open(): void {
    this.#triedOn = this.#identities();
    const nowMs = performance.now();
    const soon = nowMs - this.#openedMs < 2 * RETRY_MS_MAX;
    this.#broken = soon ? Math.min(BROKEN_MAX, this.#broken + 1) : 0;
    this.#openedMs = nowMs;
    const before = this.#current;
    const opened = this.#openFeed();
    this.#current = opened;
    this.#feeds.add(opened.feed);
    if (before !== undefined) void this.#retire(before.feed);
    for (const root of this.#options.roots) {
      const followed = opened.devices.has(root.name);
      const anew = before !== undefined && !before.devices.has(root.name);
      if (!followed || anew) this.#gap('root-missing', root.name);
    }
    this.#whole = opened.missing.length === 0;
    if (!this.#whole) this.#retryLater();
    this.#sayMissing(opened.missing);
  }

  #openFeed(): Opened {
    const { roots, ownFolders, feedOf = openFeed } = this.#options;
    const marked = openMarkedRoots(roots);
    try {
      const devices = new Map(marked.open.map(({ name, fd }) => [name, fstatSync(fd).dev]));
      const feed: Feed = feedOf({
        roots: marked.open,
        ownFolders,
        onReports: (reports) => {
          for (const report of reports) this.#take(report, feed);
        },
      });
      return { feed, missing: marked.missing, devices };
    } finally {
      marked.close();
    }
  }

  async #retire(feed: Feed): Promise<void> {
    await feed.drain();
    feed.close();
    this.#feeds.delete(feed);
  }

  #take(report: FeedReport, feed: Feed): void {
    switch (report.type) {
      case 'changed':
      case 'arrived':
        this.#report(report);
        return;
      case 'elsewhere':
        this.#elsewhere(report.file);
        return;
      case 'unclear':
        this.#gap('unclear', report.root);
        return;
      case 'lost':
        this.#gap('watcher', report.root);
        return;
      case 'root-gone':
        this.#gap('root-missing', report.root);
        if (feed === this.#current?.feed) this.#lose(report.root);
        return;
      case 'failed':
        this.#options.log.warn('the kernel stopped reporting changes', { error: report.message });
        this.#gap('watcher', '');
        if (feed === this.#current?.feed) this.#loseAll();
    }
  }

  #elsewhere(file: FileIdentity): void {
    const { roots } = this.#options;
    const paths = this.#pathsOf(file);
    if (paths !== undefined) {
      for (const path of paths) this.#report({ type: 'changed', path });
      return;
    }
    for (const { name } of roots) {
      if (this.#current?.devices.get(name) === file.dev) this.#gap('unclear', name);
    }
  }

  /** Undefined when nothing tells: called from the feed, where an error has nowhere to go. */
  #pathsOf(file: FileIdentity): readonly Buffer[] | undefined {
    try {
      return this.#options.pathsOf?.(file);
    } catch (error) {
      this.#options.log.error('the names of a file that was written could not be looked up', error);
      return undefined;
    }
  }

  #gap(reason: 'root-missing' | 'unclear' | 'watcher', root: string): void {
    this.#report({ type: 'gap', reason, covers: Buffer.from(root) });
  }

  #lose(root: string): void {
    const current = this.#current;
    if (current === undefined) return;
    const devices = new Map([...current.devices].filter(([name]) => name !== root));
    this.#current = { ...current, devices };
    this.#whole = false;
    this.#triedOn = '';
    this.#retryLater();
  }

  #loseAll(): void {
    for (const { name } of this.#options.roots) this.#lose(name);
  }

  #retryLater(): void {
    clearTimeout(this.#timer);
    const waitMs = this.#triedOn === '' ? this.#againMs() : RETRY_MS;
    this.#timer = setTimeout(() => {
      this.#retry();
    }, waitMs).unref();
  }

  /** At once, unless the feed that broke did not last. */
  #againMs(): number {
    const restMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.#broken);
    return performance.now() - this.#openedMs > restMs ? 0 : restMs;
  }

  #retry(): void {
    this.#triesLeft -= 1;
    if (this.#identities() === this.#triedOn && this.#triesLeft > 0) {
      this.#retryLater();
      return;
    }
    this.#triesLeft = REFUSED_RETRIES;
    try {
      this.#open();
    } catch (error) {
      const { message } = explainRefusal(error);
      this.#options.log.warn('changes cannot be followed for now; scans find them', { message });
      for (const { name } of this.#options.roots) this.#gap('root-missing', name);
      this.#retryLater();
    }
  }

  #identities(): string {
    return this.#options.roots.map(({ path }) => rootIdentity(path) ?? '-').join(' ');
  }

  #sayMissing(missing: readonly CapturedRoot[]): void {
    if (missing.length === 0) return;
    this.#options.log.warn('a root is not there; it is followed again when it is back', {
      roots: missing.map(({ path }) => path).join(', '),
    });
  }
}

/** Whether `start` failed because the kernel cannot or may not report changes of these roots. */
export function isUnavailable(error: unknown): error is AfterimageError {
  return error instanceof AfterimageError && error.code === 'capture-unavailable';
}
