/**
 * Where what is written to a writable mount goes. The point is mounted inside the scratch folder and
 * an overlay of the kernel lies above it: a file is copied to the scratch folder whole when it is first
 * opened for writing, and the point stays as it is.
 */
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { AfterimageError, messageOf } from '../../shared/errors.js';
import type { MountScope } from './layout.js';
import { type MountBinding, MountFlag } from './native-mount.js';

/** Says which point the scratch folder was begun for. */
const NOTE = 'scratch.json';

export interface Scratch {
  readonly folder: string;
  /** Where the point is mounted. */
  readonly pointFolder: string;
  /** Made here, and removed with the mount unless it is to stay. */
  readonly isOwn: boolean;
}

/**
 * Makes the scratch folder, or takes up one that was kept of the same point.
 * Throws `target-not-empty` for any other folder with something in it.
 */
export function prepareScratch(scope: MountScope, named: string | undefined): Scratch {
  if (scope.type !== 'point') {
    throw new AfterimageError('argument-invalid', 'only a point can be mounted writable');
  }
  const isThere = named !== undefined && fs.existsSync(named);
  const folder = named ?? fs.mkdtempSync(join(os.tmpdir(), 'afterimage-scratch-'));
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const note = JSON.stringify({ set: scope.set, point: scope.point });
  const names = fs.readdirSync(folder);
  if (names.length > 0 && !isOf(folder, note)) {
    throw new AfterimageError(
      'target-not-empty',
      `${folder} is no scratch folder of ${scope.set}@${scope.point}, and not empty`,
    );
  }
  fs.writeFileSync(join(folder, NOTE), note);
  for (const name of ['point', 'upper', 'work']) {
    fs.mkdirSync(join(folder, name), { recursive: true });
  }
  return { folder, pointFolder: join(folder, 'point'), isOwn: !isThere };
}

function isOf(folder: string, note: string): boolean {
  const path = join(folder, NOTE);
  return fs.existsSync(path) && fs.readFileSync(path, 'utf8') === note;
}

/** Lays the overlay over the point, which is mounted already. Throws `mount-unavailable`. */
export async function mountOverlay(
  binding: MountBinding,
  of: { readonly scratch: string; readonly folder: string; readonly source: string },
): Promise<void> {
  const at = (name: string): string =>
    join(of.scratch, name).replace(/[\\,:]/g, (char) => `\\${char}`);
  const options = `lowerdir=${at('point')},upperdir=${at('upper')},workdir=${at('work')}`;
  try {
    await binding.mountSystem(
      Buffer.from('overlay'),
      Buffer.from(of.source),
      Buffer.from(of.folder),
      MountFlag.noSuid | MountFlag.noDevices,
      Buffer.from(options),
    );
  } catch (cause) {
    throw new AfterimageError(
      'mount-unavailable',
      `the overlay over ${of.folder} cannot be mounted: ${messageOf(cause)}; the scratch folder must not lie on an overlay`,
      { cause },
    );
  }
}
