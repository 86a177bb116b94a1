/**
 * Stands between the product and `node:fs` for everything below one folder: each call that changes
 * something is a step, and is noted in the journal. Flushes are made up: nothing is really flushed.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { portableNewFiles } from '../../../shared/posix/new-files.js';
import { folderTimes, type Journal } from './journal.js';
import { inodeOf, isThere, realFs, realPlace, realPosix } from './real-fs.js';
import type { Steps } from './steps.js';

type Path = string | Buffer;
type Call = (...parameters: never[]) => unknown;

/** Calls that change something and that the product does not use on a set. */
const unknownCalls = [
  'appendFileSync',
  'chmodSync',
  'chownSync',
  'copyFileSync',
  'cpSync',
  'fchmodSync',
  'lchownSync',
  'lutimesSync',
  'mkdtempSync',
  'utimesSync',
  'writeFileSync',
  'writevSync',
];

export class WatchedFiles {
  readonly #root: string;
  readonly #steps: Steps;
  readonly #journal: Journal;
  /** Open descriptors below the root → the area they are in. */
  readonly #open = new Map<number, string>();
  #patched: readonly string[] = [];

  constructor(root: string, steps: Steps, journal: Journal) {
    this.#root = root;
    this.#steps = steps;
    this.#journal = journal;
  }

  install(): void {
    const patched: Record<string, unknown> = {
      openSync: this.#openSync,
      closeSync: this.#closeSync,
      writeSync: this.#writeSync,
      ftruncateSync: this.#ftruncateSync,
      truncateSync: this.#truncateSync,
      fsyncSync: this.#fsyncSync,
      fdatasyncSync: this.#fsyncSync,
      renameSync: this.#renameSync,
      unlinkSync: this.#unlinkSync,
      rmdirSync: this.#rmdirSync,
      mkdirSync: this.#mkdirSync,
      linkSync: this.#linkSync,
      symlinkSync: this.#symlinkSync,
      rmSync: this.#rmSync,
    };
    Object.assign(patched, this.#refusals());
    Object.assign(fs, patched);
    this.#patched = Object.keys(patched);
    Object.assign(fs.promises, {
      rm: (path: Path, options?: fs.RmOptions) =>
        Promise.resolve().then(() => {
          this.#rmSync(path, options);
        }),
    });
    Object.assign(loadPosix(), {
      setMtime: this.#setMtime,
      syncfs: this.#syncfs,
      syncfsSync: this.#flushAll,
      // A file at a time, through the calls above.
      ...portableNewFiles({ setMtime: this.#setMtime }),
    });
    syncBuiltinESMExports();
  }

  uninstall(): void {
    const real = realFs as unknown as Record<string, unknown>;
    for (const name of this.#patched) Object.assign(fs, { [name]: real[name] });
    Object.assign(fs.promises, { rm: realPromisesRm });
    Object.assign(loadPosix(), realPosix);
    syncBuiltinESMExports();
  }

  /** Closes what a dead process left open. */
  closeAll(): void {
    for (const fd of this.#open.keys()) realFs.closeSync(fd);
    this.#open.clear();
  }

  #refusals(): Record<string, Call> {
    return Object.fromEntries(
      unknownCalls.map((name) => {
        const real = (realFs as unknown as Record<string, Call>)[name];
        const refusing = (...parameters: never[]): unknown => {
          if (this.#isOurs(parameters[0])) throw new Error(`the model does not know fs.${name}`);
          return real?.(...parameters);
        };
        return [name, refusing];
      }),
    );
  }

  #isOurs(at: unknown): boolean {
    if (typeof at === 'number') return this.#open.has(at);
    if (typeof at !== 'string' && !Buffer.isBuffer(at)) return false;
    return this.#area(at) !== undefined;
  }

  /** First component below the root; undefined for a path elsewhere. */
  #area(path: Path): string | undefined {
    const text = typeof path === 'string' ? path : path.toString('latin1');
    if (text.startsWith(`${this.#root}/`)) {
      const below = text.slice(this.#root.length + 1);
      const end = below.indexOf('/');
      return end < 0 ? below : below.slice(0, end);
    }
    if (text === this.#root) return '.';
    const descriptor = /^\/proc\/self\/fd\/(\d+)/.exec(text)?.[1];
    return descriptor === undefined ? undefined : this.#open.get(Number(descriptor));
  }

  // ——— descriptors ———

  readonly #openSync = (path: Path, flags: number | string = 'r', mode?: number): number => {
    const area = this.#area(path);
    if (area === undefined) return realFs.openSync(path, flags, mode);
    const creates = typeof flags === 'number' && (flags & fs.constants.O_CREAT) !== 0;
    const isNew = creates && !isThere(path);
    if (!isNew) return this.#remember(realFs.openSync(path, flags, mode), area);
    const times = folderTimes(realPlace(path).folder);
    this.#steps.before(`create ${area}`, full);
    const fd = realFs.openSync(path, flags, mode);
    this.#journal.created(path, times);
    return this.#remember(fd, area);
  };

  #remember(fd: number, area: string): number {
    this.#open.set(fd, area);
    return fd;
  }

  readonly #closeSync = (fd: number): void => {
    this.#open.delete(fd);
    realFs.closeSync(fd);
  };

  readonly #writeSync = (
    fd: number,
    bytes: Uint8Array,
    offset = 0,
    length = bytes.byteLength - offset,
    position: number | null = null,
  ): number => {
    const area = this.#open.get(fd);
    if (area === undefined) return realFs.writeSync(fd, bytes, offset, length, position);
    if (position === null) throw new Error('the model does not know writes without a position');
    this.#steps.before(`write ${area}`, full);
    return this.#journal.write(fd, bytes.subarray(offset, offset + length), position);
  };

  readonly #ftruncateSync = (fd: number, size = 0): void => {
    const area = this.#open.get(fd);
    if (area === undefined) {
      realFs.ftruncateSync(fd, size);
      return;
    }
    this.#steps.before(`size ${area}`, full);
    this.#journal.truncate(fd, size);
  };

  readonly #truncateSync = (path: Path, size = 0): void => {
    const fd = this.#openSync(path, fs.constants.O_RDWR);
    try {
      fs.ftruncateSync(fd, size);
    } finally {
      this.#closeSync(fd);
    }
  };

  // ——— flushes ———

  readonly #fsyncSync = (fd: number): void => {
    const area = this.#open.get(fd);
    if (area === undefined) {
      realFs.fsyncSync(fd);
      return;
    }
    this.#steps.before(`flush ${area}`);
    this.#journal.flushInode(inodeOf(fd));
  };

  /** What is done while it runs is not flushed. */
  readonly #syncfs = async (fd: number): Promise<void> => {
    this.#flushAll(fd);
    await new Promise((resolve) => setImmediate(resolve));
  };

  readonly #flushAll = (fd: number): void => {
    if (!this.#open.has(fd)) throw new Error('the model flushes its own file system only');
    this.#steps.before('flush all');
    this.#journal.flushAll();
    this.onFlushAll();
  };

  /** Called when everything was flushed; databases listen. */
  onFlushAll: () => void = () => undefined;

  // ——— names ———

  readonly #renameSync = (from: Path, to: Path): void => {
    const [source, target] = [this.#area(from), this.#area(to)];
    if (source === undefined || target === undefined) {
      realFs.renameSync(from, to);
      return;
    }
    this.#steps.before(`rename ${source} to ${target}`, full);
    this.#journal.rename(from, to);
  };

  readonly #unlinkSync = (path: Path): void => {
    const area = this.#area(path);
    if (area === undefined) {
      realFs.unlinkSync(path);
      return;
    }
    if (isThere(path)) this.#steps.before(`unlink ${area}`);
    else realFs.unlinkSync(path);
    this.#journal.unlink(path);
  };

  readonly #rmdirSync = (path: Path): void => {
    const area = this.#area(path);
    if (area === undefined) {
      realFs.rmdirSync(path);
      return;
    }
    this.#steps.before(`rmdir ${area}`);
    this.#journal.rmdir(path);
  };

  readonly #mkdirSync = (path: Path, options?: fs.MakeDirectoryOptions): string | undefined => {
    const area = this.#area(path);
    if (area === undefined) return realFs.mkdirSync(path, options);
    if (options?.recursive === true) {
      if (isThere(path)) return undefined;
      const above = path.toString().slice(0, path.toString().lastIndexOf('/'));
      this.#mkdirSync(above, options);
    }
    const times = folderTimes(realPlace(path).folder);
    this.#steps.before(`mkdir ${area}`, full);
    realFs.mkdirSync(path, { mode: options?.mode ?? 0o777 });
    this.#journal.created(path, times);
    return undefined;
  };

  readonly #linkSync = (from: Path, to: Path): void => {
    this.#make('link', to, () => {
      realFs.linkSync(from, to);
    });
  };

  readonly #symlinkSync = (target: Path, path: Path): void => {
    this.#make('symlink', path, () => {
      realFs.symlinkSync(target, path);
    });
  };

  #make(word: string, path: Path, make: () => void): void {
    const area = this.#area(path);
    if (area === undefined) {
      make();
      return;
    }
    const times = folderTimes(realPlace(path).folder);
    this.#steps.before(`${word} ${area}`, full);
    make();
    this.#journal.created(path, times);
  }

  readonly #rmSync = (path: Path, options?: fs.RmOptions): void => {
    if (this.#area(path) === undefined) {
      realFs.rmSync(path, options);
      return;
    }
    const status = realFs.lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined && options?.force === true) return;
    if (status?.isDirectory() !== true) {
      this.#unlinkSync(path);
      return;
    }
    const folder = Buffer.concat([Buffer.from(path), Buffer.from('/')]);
    const names = realFs.readdirSync(path, { encoding: 'buffer' });
    for (const name of names.sort((a, b) => Buffer.compare(a, b)))
      this.#rmSync(Buffer.concat([folder, name]), options);
    this.#rmdirSync(path);
  };

  readonly #setMtime = (path: Buffer, mtimeNs: bigint): void => {
    const area = this.#area(path);
    if (area === undefined || !isThere(path)) {
      realPosix.setMtime(path, mtimeNs);
      return;
    }
    this.#steps.before(`times ${area}`);
    this.#journal.setMtime(path, mtimeNs);
  };
}

const realPromisesRm = fs.promises.rm;

/** The error of a disk without room, as Node throws it. */
function full(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), {
    code: 'ENOSPC',
    errno: -28,
    syscall: 'write',
  });
}
