/**
 * All sets of a replica: opens those on disk at start, finishing what a crash cut off, and makes
 * new ones when an agent first speaks of them. A set that cannot be opened stays away from the
 * others and says why.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Clock } from '../shared/clock.js';
import { AfterimageError, asAfterimageError } from '../shared/errors.js';
import type { HashCore } from '../shared/hash/hash-core.js';
import type { Log } from '../shared/log.js';
import type { Posix } from '../shared/posix/posix.js';
import {
  type Certifier,
  certifyQuietly,
  openQuietly,
  recordCheckQuietly,
} from './certify/certifier.js';
import { ensurePointDigests } from './certify/recompute.js';
import { SetStore } from './history/set-store.js';
import { StoredSetReader } from './history/stored-set-reader.js';
import type { SyncLooks } from './observe/mass-watch.js';
import type { SetPort } from './receive/set-port.js';
import { SetWriter } from './set-writer.js';
import type { Admit } from './space-guard.js';
import type { ByteRate } from './verify/byte-rate.js';
import { repairClosedIndex } from './verify/index-twin.js';
import { SetScrub, type SetScrubDeps } from './verify/scrub-set.js';

export interface OpenedSet {
  readonly name: string;
  readonly store: SetStore;
  readonly writer: SetWriter;
  readonly reader: StoredSetReader;
  readonly scrub: SetScrub | undefined;
  /** Why the last sync was refused; null once one was committed since. */
  refusal: AfterimageError | null;
}

export interface SetHouseDeps {
  readonly dataFolder: string;
  readonly core: HashCore;
  readonly posix: Posix;
  readonly clock: Clock;
  readonly log: Log;
  /** Confirms or makes the agent the set's owner. Throws `set-owned`. */
  readonly claim: (request: { readonly set: string; readonly agent: string }) => void;
  readonly admit: Admit;
  /** Signs what becomes of points; nothing is certified without one. */
  readonly certifier?: Certifier;
  /** Who looks at the syncs of a set before they are applied. */
  readonly looksOf?: (set: SetStore) => SyncLooks;
  /** How sets are scrubbed; none is without it. */
  readonly scrub?: ScrubOptions;
}

export interface ScrubOptions {
  /** Of all sets together. */
  readonly rate: ByteRate;
  /** From the end of one round of a set to the beginning of the next, ms; Infinity for never. */
  readonly everyMs: number;
  /** Not shared with what else hashes. */
  readonly core: HashCore;
  /** Sets of the agent that owns this one, itself included: where twins may come from (R21). */
  readonly ownedWith: (set: string) => readonly string[];
}

export class SetHouse {
  readonly #deps: SetHouseDeps;
  readonly #sets = new Map<string, Promise<OpenedSet>>();
  readonly #opened = new Map<string, OpenedSet>();
  readonly #watchers: ((opened: OpenedSet) => void)[] = [];

  constructor(deps: SetHouseDeps) {
    this.#deps = deps;
    fs.mkdirSync(this.#folder(''), { recursive: true, mode: 0o700 });
  }

  /** Opens every set on disk. A set that does not open is logged; the others are served. */
  async openAll(): Promise<void> {
    for (const name of fs.readdirSync(this.#folder('')).sort()) {
      await this.#open(name).catch((error: unknown) => {
        this.#deps.log.error('a set could not be opened', error, { set: name });
      });
    }
  }

  /** Calls back for every set that is open, and for each that is opened from now on. */
  eachOpened(watcher: (opened: OpenedSet) => void): void {
    this.#watchers.push(watcher);
    for (const opened of this.opened) watcher(opened);
  }

  get opened(): readonly OpenedSet[] {
    return [...this.#opened.values()];
  }

  /** Names of sets that are on disk and did not open. */
  get unopened(): readonly string[] {
    return fs.readdirSync(this.#folder('')).filter((name) => !this.#opened.has(name));
  }

  /** The set's port for its agent; made when it does not exist. */
  readonly openFor = async (request: {
    readonly set: string;
    readonly agent: string;
  }): Promise<SetPort> => {
    this.#deps.claim(request);
    return (await this.#open(request.set)).writer;
  };

  async close(): Promise<void> {
    // A round waits for the lock of its set, and may read other sets.
    for (const { scrub } of this.#opened.values()) await scrub?.close();
    for (const { writer, store } of this.#opened.values()) {
      await writer.close();
      this.#deps.certifier?.close(store.set);
      store.close();
    }
    this.#opened.clear();
    this.#sets.clear();
  }

  #folder(name: string): string {
    return path.join(this.#deps.dataFolder, 'sets', name);
  }

  #open(name: string): Promise<OpenedSet> {
    const known = this.#sets.get(name);
    if (known !== undefined) return known;
    const opening = this.#openNow(name).catch((error: unknown) => {
      this.#sets.delete(name);
      throw asAfterimageError(error);
    });
    this.#sets.set(name, opening);
    return opening;
  }

  /** An index that does not open is put right from its twin first, if that can be done. */
  async #openNow(name: string): Promise<OpenedSet> {
    try {
      return await this.#openSet(name);
    } catch (error) {
      const pages = repairClosedIndex(this.#folder(name), this.#deps.core);
      if (pages === 0) throw error;
      this.#deps.log.warn('pages of an index were put right from its twin', { set: name, pages });
      return await this.#openSet(name);
    }
  }

  async #openSet(name: string): Promise<OpenedSet> {
    const store = new SetStore({ set: name, folder: this.#folder(name), core: this.#deps.core });
    const reader = new StoredSetReader(store);
    let writer: SetWriter;
    try {
      await this.#putUnderCertificates(store);
      writer = await SetWriter.open({
        ...this.#deps,
        store,
        admit: () => this.#deps.admit(name),
        looks: this.#deps.looksOf?.(store),
      });
    } catch (error) {
      this.#deps.certifier?.close(name);
      store.giveUp();
      throw error;
    }
    const opened: OpenedSet = {
      name,
      store,
      writer,
      reader,
      scrub: this.#scrub(store, writer),
      refusal: null,
    };
    writer.onEvent((event) => {
      if (event.type === 'refused') opened.refusal = event.error;
      if (event.type !== 'committed') return;
      opened.refusal = null;
      opened.scrub?.committed();
    });
    this.#opened.set(name, opened);
    for (const watcher of this.#watchers) watcher(opened);
    return opened;
  }

  #scrub(store: SetStore, writer: SetWriter): SetScrub | undefined {
    const { scrub: options, posix, clock, log } = this.#deps;
    if (options === undefined) return undefined;
    const scrub = this.#tryScrub({
      ...options,
      store,
      writer,
      posix,
      clock,
      log,
      siblings: () => {
        const names = options.ownedWith(store.set);
        return this.opened.flatMap((other) =>
          other.store !== store && names.includes(other.name) ? [other.store] : [],
        );
      },
    });
    scrub?.start();
    return scrub;
  }

  /** What scrubbing lacks, as room on a full disk, must not keep a set from being read. */
  #tryScrub(deps: SetScrubDeps): SetScrub | undefined {
    try {
      return new SetScrub(deps);
    } catch (error) {
      this.#deps.log.error('a set is not scrubbed until the replica restarts', error, {
        set: deps.store.set,
      });
      return undefined;
    }
  }

  /** Before the writer runs: what a crash or an older version left without digest or certificate. */
  async #putUnderCertificates(store: SetStore): Promise<void> {
    const { core, certifier, log } = this.#deps;
    const { computed } = await ensurePointDigests(store.writer, core);
    if (computed > 0) log.info('point digests were computed', { set: store.set, points: computed });
    if (certifier === undefined) return;
    const of = { certifier, store, log };
    store.certify = () => {
      certifyQuietly(of);
    };
    store.recordCheck = (check) => {
      recordCheckQuietly(of, check);
    };
    openQuietly(of);
  }
}
