/**
 * The kernel's own reports of changes (fanotify), through the native addon: one queue and one
 * thread for each feed, one mark for each file system, whatever the size of the tree.
 */
import { AfterimageError } from '../errors.js';
import { loadAddon } from './load-addon.js';

/** A folder whose changes are reported, with everything below it on the same file system. */
export interface FeedRoot {
  readonly name: string;
  readonly path: string;
  /** The open folder itself; may be closed once the feed is open. */
  readonly fd: number;
  /** An open file of the same file system that the kernel lets be marked: mostly `fd`. */
  readonly markFd: number;
}

/** A file by what its names have in common. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: bigint;
  /** 0 where the file system keeps none. */
  readonly btimeNs: bigint;
}

export type FeedReport =
  /** `path` is `<root name>/<path>`: as it is now, so late that the entry may be gone again. */
  | { readonly type: 'changed' | 'arrived'; readonly path: Buffer }
  /** A file was written by a name outside the roots, or one it no longer has. */
  | { readonly type: 'elsewhere'; readonly file: FileIdentity }
  /** Something changed below this root, and what is not known. */
  | { readonly type: 'unclear'; readonly root: string }
  /** Events of this root were lost. */
  | { readonly type: 'lost'; readonly root: string }
  /** There is another folder at the root's path now, or none: nothing more is reported of it. */
  | { readonly type: 'root-gone'; readonly root: string }
  /** Nothing more is reported at all. */
  | { readonly type: 'failed'; readonly message: string };

export interface FeedOptions {
  readonly roots: readonly FeedRoot[];
  /** Paths of folders of which nothing is reported. */
  readonly ownFolders: readonly string[];
  /** Called with each batch, in order. Must not throw. */
  readonly onReports: (reports: readonly FeedReport[]) => void;
  /** `unlimited` never loses events, at the cost of the kernel's memory. Usually `bounded`. */
  readonly queue?: 'bounded' | 'unlimited';
  /** Bytes of a batch, about. */
  readonly batchBytes?: number;
  /** Batches that may wait to be taken; past it events stay in the kernel. */
  readonly batches?: number;
}

export interface FeedFigures {
  /** Events read. */
  readonly events: number;
  /** Times that a path was asked for. */
  readonly lookups: number;
  /** Of the feed's thread. */
  readonly cpuNs: number;
}

export interface Feed {
  /** Resolves when all that happened before the call was reported, or the feed was closed. */
  drain(): Promise<void>;
  figures(): FeedFigures;
  /** Nothing is reported afterwards; the thread has ended when it returns. */
  close(): void;
}

const BATCH_BYTES = 256 * 1024;
const BATCHES = 4;
const RECORD_HEAD = 5;

interface NativeFeed {
  take(): Buffer | undefined;
  drain(): number;
  figures(): FeedFigures;
  close(): void;
}

interface FeedBinding {
  openFeed(
    options: {
      readonly roots: readonly {
        readonly name: Buffer;
        readonly path: Buffer;
        readonly fd: number;
        readonly markFd: number;
      }[];
      readonly ownFolders: readonly Buffer[];
      readonly unlimited: boolean;
      readonly batchBytes: number;
      readonly batches: number;
    },
    ready: () => void,
  ): NativeFeed;
}

/** Why there are no feeds in this process at all; undefined when one can be tried. */
export function whyNoFeed(): string | undefined {
  const addon = loadAddon();
  if ('whyNot' in addon) return addon.whyNot;
  return 'openFeed' in addon.exports ? undefined : 'the addon was built without feeds';
}

/**
 * Changes are reported that begin after the call.
 * @throws system errors of `fanotify_init` (EPERM: not privileged) and `fanotify_mark` (EXDEV,
 *   ENODEV, EOPNOTSUPP: this file system cannot be marked), with the root's path
 * @throws AfterimageError `capture-unavailable` when `whyNoFeed` says so
 */
export function openFeed(options: FeedOptions): Feed {
  const addon = loadAddon();
  const reason = whyNoFeed();
  if (reason !== undefined || 'whyNot' in addon) {
    throw new AfterimageError('capture-unavailable', `no feed of the kernel: ${reason ?? ''}`);
  }
  return new OpenFeed(addon.exports as FeedBinding, options);
}

class OpenFeed implements Feed {
  readonly #native: NativeFeed;
  readonly #onReports: FeedOptions['onReports'];
  readonly #drains = new Map<number, () => void>();
  #open = true;

  constructor(binding: FeedBinding, options: FeedOptions) {
    this.#onReports = options.onReports;
    const described = {
      roots: options.roots.map(({ name, path, fd, markFd }) => ({
        name: Buffer.from(name),
        path: Buffer.from(path),
        fd,
        markFd,
      })),
      ownFolders: options.ownFolders.map((folder) => Buffer.from(folder)),
      unlimited: options.queue === 'unlimited',
      batchBytes: options.batchBytes ?? BATCH_BYTES,
      batches: options.batches ?? BATCHES,
    };
    this.#native = binding.openFeed(described, () => {
      this.#take();
    });
  }

  drain(): Promise<void> {
    if (!this.#open) return Promise.resolve();
    const { promise, resolve } = newPromise();
    this.#drains.set(this.#native.drain(), resolve);
    return promise;
  }

  figures(): FeedFigures {
    return this.#native.figures();
  }

  close(): void {
    this.#open = false;
    this.#native.close();
    for (const resolve of this.#drains.values()) resolve();
    this.#drains.clear();
  }

  #take(): void {
    for (let batch = this.#next(); batch !== undefined; batch = this.#next()) {
      const reports: FeedReport[] = [];
      let drained = 0;
      for (const { kind, text } of records(batch)) {
        if (kind === 6) drained = Number(text.toString());
        else reports.push(toReport(kind, text));
      }
      if (reports.length > 0) this.#onReports(reports);
      for (const [number, resolve] of this.#drains) {
        if (number > drained) break;
        this.#drains.delete(number);
        resolve();
      }
    }
  }

  #next(): Buffer | undefined {
    return this.#open ? this.#native.take() : undefined;
  }
}

/** Kinds are those of native/src/feed-batch.h. */
function toReport(kind: number, text: Buffer): FeedReport {
  switch (kind) {
    case 1:
      return { type: 'changed', path: Buffer.from(text) };
    case 2:
      return { type: 'arrived', path: Buffer.from(text) };
    case 3:
      return { type: 'unclear', root: text.toString() };
    case 4:
      return { type: 'lost', root: text.toString() };
    case 5:
      return { type: 'root-gone', root: text.toString() };
    case 8:
      return { type: 'elsewhere', file: toIdentity(text.toString()) };
    default:
      return { type: 'failed', message: text.toString() };
  }
}

function toIdentity(text: string): FileIdentity {
  const [dev = '', ino = '', btime = ''] = text.split(' ');
  return { dev: Number(dev), ino: BigInt(ino), btimeNs: BigInt(btime) };
}

function* records(batch: Buffer): Generator<{ readonly kind: number; readonly text: Buffer }> {
  for (let at = 0; at + RECORD_HEAD <= batch.length;) {
    const end = at + RECORD_HEAD + batch.readUInt32LE(at + 1);
    yield { kind: batch.readUInt8(at), text: batch.subarray(at + RECORD_HEAD, end) };
    at = end;
  }
}

function newPromise(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
