/** A folder that belongs to agent or replica: there, its own, private, with room. */
import fs from 'node:fs';
import path from 'node:path';
import { errnoOf } from '../../shared/errors.js';
import { formatBytes, formatCount } from '../format.js';
import { type Check, fail, ok, warn } from './check.js';
import { fileSystemOf } from './host.js';

export interface OwnFolder {
  readonly subject: string;
  readonly folder: string;
  /** Below so many bytes it is told. */
  readonly freeBytesMin: number;
}

const OTHERS = 0o077;
const FILES_MIN = 10_000;

export function checkOwnFolder({ subject, folder, freeBytesMin }: OwnFolder): readonly Check[] {
  const status = fs.statSync(folder, { throwIfNoEntry: false });
  if (status === undefined) {
    const above = nearest(folder);
    if (isWritable(above)) return [ok(subject, `${folder} will be made at the first start`)];
    const advice = `Make it, owned by the user that runs this, or let that user write to ${above}.`;
    return [fail(subject, `${folder} is not there and cannot be made`, advice)];
  }
  if (!status.isDirectory()) return [fail(subject, `${folder} is no folder`, 'Name another one.')];
  const checks: Check[] = [];
  if (!isWritable(folder)) {
    checks.push(
      fail(subject, `${folder} cannot be written to`, `Run this as its owner, uid ${status.uid}.`),
    );
  }
  if ((status.mode & OTHERS) !== 0) {
    checks.push(
      warn(
        subject,
        `${folder} is open to others`,
        `chmod 700 ${folder}: keys and copies lie in it.`,
      ),
    );
  }
  const { name, freeBytes, freeFiles } = fileSystemOf(folder);
  const room = `${folder} on ${name}, ${formatBytes(freeBytes)} free`;
  if (freeBytes < freeBytesMin) {
    const advice = `Make room: ${formatBytes(freeBytesMin)} are to stay free.`;
    checks.push(fail(subject, room, advice));
  } else if (freeFiles > 0 && freeFiles < FILES_MIN) {
    const advice = 'Make room: the file system runs out of inodes.';
    checks.push(warn(subject, `${room}, room for ${formatCount(freeFiles)} files`, advice));
  } else {
    checks.push(ok(subject, room));
  }
  return checks;
}

export function isWritable(folder: string): boolean {
  return canAccess(folder, fs.constants.W_OK | fs.constants.X_OK);
}

export function isReadable(file: string): boolean {
  return canAccess(file, fs.constants.R_OK);
}

function canAccess(file: string, mode: number): boolean {
  try {
    fs.accessSync(file, mode);
    return true;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/** The folder itself or the closest one above it that is there. */
function nearest(folder: string): string {
  let at = path.resolve(folder);
  while (!fs.existsSync(at) && at !== path.dirname(at)) at = path.dirname(at);
  return at;
}
