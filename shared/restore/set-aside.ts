/**
 * Takes what a restore must not lose out of its way: by another name in its folder, or to a folder of
 * its root that the operator named. Nothing is copied: what cannot be renamed stays, and is told.
 */
import { closeSync, mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { errnoOf } from '../errors.js';
import { NAME_BYTES_MAX } from '../limits.js';
import type { Posix } from '../posix/posix.js';
import { below, openFolder } from './folder-cursor.js';
import { statusIfThere } from './local-folder.js';
import { kindOf } from './plan.js';
import { checkSameFileSystem, holdsSpared, type Spared } from './remove-tree.js';
import { joinPath } from './set-path.js';

const dot = Buffer.from('.');

/** What a name given by `renameAside` ends with; a number may follow. */
export function asideSuffix(label: string): Buffer {
  return Buffer.from(`.before-${label}`);
}

/** Whether a run of this label has given the name. */
export function isRenamedAside(name: Buffer, label: string): boolean {
  const at = name.lastIndexOf(asideSuffix(label));
  if (at < 0) return false;
  return /^(-\d+)?$/.test(name.toString('latin1', at + asideSuffix(label).length));
}

/** The name that the entry has from now on. Throws system errors. */
export function renameAside(posix: Posix, folder: number, name: Buffer, label: string): Buffer {
  const target = freeName(posix, folder, name, asideSuffix(label));
  renameSync(below(folder, name), below(folder, target));
  return target;
}

function freeName(posix: Posix, folder: number, name: Buffer, suffix: Buffer): Buffer {
  for (let count = 1; ; count += 1) {
    const end = count === 1 ? suffix : Buffer.concat([suffix, Buffer.from(`-${count}`)]);
    const stem = name.subarray(0, NAME_BYTES_MAX - end.length);
    const target = Buffer.concat([stem, end]);
    if (statusIfThere(posix, below(folder, target)) === undefined) return target;
  }
}

/** Where something is moved from and to, by open folders. */
export interface Move {
  readonly from: { readonly folder: number; readonly name: Buffer };
  /** The folder that stands for `from.folder` below the one that things are moved to. */
  readonly to: number;
  readonly label: string;
  readonly spared: Spared | undefined;
}

/** Moves an entry with all below it, less what is spared. Throws system errors, `storage-failed`. */
export function moveAside(posix: Posix, move: Move): void {
  const { from, to, label, spared } = move;
  const path = below(from.folder, from.name);
  const status = posix.lstat(path);
  if (spared?.spares(spared.path, status) === true) return;
  checkSameFileSystem(posix, from.folder, { name: from.name, status });
  const isFolder = kindOf(status.mode) === 'folder';
  if (isFolder && spared && holdsSpared(posix, from.folder, from.name, spared)) {
    moveContents(posix, move, spared);
    return;
  }
  const there = statusIfThere(posix, below(to, from.name));
  const name = there && freeName(posix, to, from.name, asideSuffix(label));
  renameSync(path, below(to, name ?? from.name));
}

function moveContents(posix: Posix, { from, to, label }: Move, spared: Spared): void {
  const source = openFolder(below(from.folder, from.name));
  let target: number | undefined;
  try {
    target = openOrMake(to, from.name);
    for (const { name } of posix.scanFolder(below(source, dot))) {
      const child = { ...spared, path: joinPath(spared.path, name) };
      const entry = { from: { folder: source, name }, to: target, label, spared: child };
      moveAside(posix, entry);
    }
  } finally {
    closeSync(source);
    if (target !== undefined) closeSync(target);
  }
  removeIfEmpty(below(from.folder, from.name));
}

function removeIfEmpty(path: Buffer): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** A descriptor of a folder in an open folder, made if missing; no link is followed. */
export function openOrMake(folder: number, name: Buffer): number {
  const path = below(folder, name);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return openFolder(path);
}
