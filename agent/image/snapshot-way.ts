/**
 * An image by read-only snapshots of btrfs subvolumes, one a root: the application is held for as
 * long as they take, and the tree is walked and read afterwards. A snapshot is of one instant by
 * itself, so that one root needs no hold to be consistent as a file system.
 */
import { closeSync, constants, openSync, statfsSync } from 'node:fs';
import type { Clock } from '../../shared/clock.js';
import { errnoOf, messageOf } from '../../shared/errors.js';
import type { FileStatus, Posix, SnapshotPlace } from '../../shared/posix/posix.js';
import type { RootPath } from '../plan/open-roots.js';
import type { CloneHome } from './clone-home.js';
import type { ImageRequest, SnapshotView } from './image-engine.js';
import { viewSnapshots } from './snapshot-view.js';
import type { HeldWay, WayTaken } from './take-in-rounds.js';

const BTRFS = 0x9123683e;
/** Number of the top folder of every subvolume. */
const SUBVOLUME_INO = 256n;

/** A root that is open and whose files can be cloned. */
export interface HomedRoot {
  readonly root: RootPath;
  readonly fd: number;
  readonly home: CloneHome;
}

export function isSubvolume({ ino }: FileStatus, fd: number): boolean {
  return ino === SUBVOLUME_INO && statfsSync(`/proc/self/fd/${fd}/.`).type === BTRFS;
}

interface OpenSnapshot {
  readonly fd: number;
  readonly of: HomedRoot;
}

export class SnapshotWay implements HeldWay {
  readonly #request: ImageRequest;
  readonly #posix: Posix;
  readonly #roots: readonly HomedRoot[];
  readonly #otherwise: HeldWay;
  readonly #made: SnapshotPlace[] = [];
  readonly #opened: OpenSnapshot[] = [];
  #view: SnapshotView | undefined;

  /** `otherwise`: how the image is taken when no snapshot can be made. */
  constructor(
    request: ImageRequest,
    of: {
      readonly posix: Posix;
      readonly roots: readonly HomedRoot[];
      readonly otherwise: HeldWay;
    },
  ) {
    this.#request = request;
    this.#posix = of.posix;
    this.#roots = of.roots;
    this.#otherwise = of.otherwise;
  }

  get needsNoHold(): boolean {
    return this.#roots.length === 1;
  }

  prepare(): Promise<void> {
    return this.#otherwise.prepare();
  }

  async take(): Promise<WayTaken> {
    const { clock, log, signal } = this.#request;
    const now = clock.now();
    try {
      for (const root of this.#roots) await this.#make(root);
      this.#view = this.#viewOf({ now: () => now, monotonic: () => clock.monotonic() });
    } catch (error) {
      signal.throwIfAborted();
      const facts = { code: errnoOf(error), reason: messageOf(error) };
      log.warn('no snapshot could be made; files are cloned', facts);
      return await this.#otherwise.take();
    }
    const names = this.#made.map(({ name }) => name.toString());
    return { engine: 'snapshot', snapshot: names.join(' '), moved: [] };
  }

  async finish(): Promise<void> {
    if (this.#view === undefined) await this.#otherwise.finish();
    else await this.#request.look({ held: true, snapshot: this.#view });
  }

  /** Destroys the snapshots. What cannot be destroyed is tried again at the next start. */
  async close(): Promise<void> {
    for (const { fd } of this.#opened.splice(0)) closeSync(fd);
    for (const at of this.#made.splice(0)) {
      try {
        await this.#posix.destroySnapshot(at);
      } catch (error) {
        this.#request.log.error('a snapshot could not be destroyed', error);
      }
    }
  }

  async #make(of: HomedRoot): Promise<void> {
    const { folder, name, path } = of.home.folder.newSnapshot();
    const at = { folder, name };
    await this.#posix.createSnapshot(of.fd, at);
    this.#made.push(at);
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    this.#opened.push({ fd, of });
  }

  #viewOf(clock: Clock): SnapshotView {
    const devices = new Map<number, number>();
    const roots: RootPath[] = [];
    for (const { fd, of } of this.#opened) {
      devices.set(this.#posix.fstat(fd).dev, this.#posix.fstat(of.fd).dev);
      roots.push({ name: of.root.name, path: `/proc/self/fd/${fd}`, liveFd: of.fd });
    }
    return { holds: 'clone', roots, posix: viewSnapshots(this.#posix, devices), clock };
  }
}
