/**
 * The folders that a restore's roots lie in. They are named by the operator, so links on the way to
 * them are followed, once, here; below them none is.
 */
import { closeSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { AfterimageError, errnoOf } from '../errors.js';
import { toPathText } from '../path-text.js';
import type { Posix } from '../posix/posix.js';
import { below, openFolder } from './folder-cursor.js';
import type { RestoreRequest, RestoreTarget } from './request.js';

export interface RootPlace {
  readonly fd: number;
  readonly name: Buffer;
}

type NamedTarget = Exclude<RestoreTarget, { type: 'opened' }>;

const dot = Buffer.from('.');

export class Places {
  readonly #target: RestoreTarget;
  readonly #effect: RestoreRequest['effect'];
  /** By absolute path as latin1; undefined for one that is missing while only planning. */
  readonly #folders = new Map<string, number | undefined>();

  /** Checks and makes the target. Throws `target-not-empty` and system errors. */
  constructor(request: RestoreRequest) {
    this.#target = request.target;
    this.#effect = request.effect;
    if (request.mode === 'fresh') checkEmpty(request.target);
  }

  /** Undefined when the folder that would hold the root is missing, which only planning can find. */
  locate(root: Buffer): RootPlace | undefined {
    if (this.#target.type === 'opened') return { fd: this.#target.fd, name: root };
    const { folder, name } = this.#place(this.#target, root);
    const fd = this.#open(folder);
    return fd === undefined ? undefined : { fd, name };
  }

  /** Whether new nodes inherit ACLs here. */
  inherits(posix: Posix): boolean {
    return this.descriptors().some((fd) =>
      posix
        .getXattrs(below(fd, dot))
        .some(({ name }) => name.toString('latin1') === 'system.posix_acl_default'),
    );
  }

  descriptors(): number[] {
    if (this.#target.type === 'opened') return [this.#target.fd];
    return [...this.#folders.values()].filter((fd) => fd !== undefined);
  }

  close(): void {
    for (const fd of this.#folders.values()) if (fd !== undefined) closeSync(fd);
    this.#folders.clear();
  }

  #place(target: NamedTarget, root: Buffer): { readonly folder: Buffer; readonly name: Buffer } {
    if (target.type === 'folder') return { folder: target.folder, name: root };
    const path = target.roots.get(root.toString('latin1'));
    if (path === undefined) {
      throw new AfterimageError(
        'argument-invalid',
        `the point does not say where root ${toPathText(root)} came from; restore with --to`,
      );
    }
    return splitPlace(resolveExisting(path));
  }

  #open(folder: Buffer): number | undefined {
    const key = folder.toString('latin1');
    if (this.#folders.has(key)) return this.#folders.get(key);
    if (this.#effect === 'write') mkdirSync(folder, { recursive: true });
    const fd = openOrMissing(folder);
    this.#folders.set(key, fd);
    return fd;
  }
}

/** The operator's own path: a link to a folder is as good as the folder. */
function openOrMissing(folder: Buffer): number | undefined {
  try {
    return openFolder(realpathSync(folder, { encoding: 'buffer' }));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function resolveExisting(path: Buffer): Buffer {
  try {
    return realpathSync(path, { encoding: 'buffer' });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return path;
    throw error;
  }
}

function splitPlace(path: Buffer): { readonly folder: Buffer; readonly name: Buffer } {
  const end = path.at(-1) === 0x2f && path.length > 1 ? path.length - 1 : path.length;
  const cut = path.lastIndexOf(0x2f, end - 1);
  const name = path.subarray(cut + 1, end);
  if (cut < 0) {
    throw new AfterimageError('argument-invalid', `${toPathText(path)} is no absolute path`);
  }
  if (name.length === 0) return { folder: path, name: dot };
  return { folder: cut === 0 ? Buffer.from('/') : path.subarray(0, cut), name };
}

function checkEmpty(target: RestoreTarget): void {
  if (target.type === 'roots') {
    throw new AfterimageError('argument-invalid', 'a restore to the original roots is in place');
  }
  const folder = target.type === 'folder' ? target.folder : below(target.fd, dot);
  try {
    if (readdirSync(folder).length === 0) return;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if (target.type === 'opened') {
    throw new AfterimageError('target-not-empty', 'the folder to restore to is not empty');
  }
  const path = toPathText(folder);
  throw new AfterimageError('target-not-empty', `${path} is not empty`, { facts: { path } });
}
