/** Gives a restored node its owner, mode, extended attributes and time, in the order that keeps them. */
import { fchmodSync, fchownSync, lchownSync } from 'node:fs';
import { errnoOf } from '../errors.js';
import { toPathText } from '../path-text.js';
import type { Posix } from '../posix/posix.js';
import type { NodeVersion } from './node-version.js';
import { isRemovable, modeToSet, type PlanRules } from './plan.js';

/** What could not be carried, each kind said once. */
export class Notes {
  readonly #counts = new Map<string, number>();

  add(note: string): void {
    this.#counts.set(note, (this.#counts.get(note) ?? 0) + 1);
  }

  list(): string[] {
    return [...this.#counts].map(([note, count]) =>
      count === 1 ? note : `${note} (${count} times)`,
    );
  }
}

export interface MetadataSetter {
  readonly posix: Posix;
  readonly rules: PlanRules;
  readonly notes: Notes;
  /** New nodes may inherit ACLs from the target, so theirs are compared too. */
  inherits: boolean;
}

/**
 * Sets everything about the node at `path` but its content. A change of owner clears setuid, a
 * change of mode the ACL's mask, and nearly everything the time: hence the order.
 *
 * @param fd the node's own descriptor when it is open for writing; saves opening it again
 */
export function setMetadata(
  setter: MetadataSetter,
  path: Buffer,
  version: NodeVersion,
  state: { readonly node: 'new' | 'present'; readonly fd?: number },
): void {
  const { posix } = setter;
  const { owner, mode } = ownerAndMode(setter, version);
  if (owner !== undefined) {
    if (state.fd === undefined) lchownSync(path, owner.uid, owner.gid);
    else fchownSync(state.fd, owner.uid, owner.gid);
  }
  if (state.fd !== undefined) fchmodSync(state.fd, mode);
  else if (version.kind !== 'symlink') posix.setMode(path, mode);
  setXattrs(setter, path, version, state.node);
  posix.setMtime(path, version.mtimeNs);
}

/** What a node gets: no owner when owners do not come back. Notes what is left out. */
export function ownerAndMode(
  { rules, notes }: MetadataSetter,
  version: NodeVersion,
): {
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode: number;
} {
  const mode = modeToSet(version, rules.owner);
  if (mode !== version.mode) notes.add('setuid and setgid bits are left out with the owner');
  if (rules.owner === 'restore') return { owner: version, mode };
  if (version.uid !== rules.owner.uid || version.gid !== rules.owner.gid) {
    notes.add('owners do not come back: that takes root');
  }
  return { owner: undefined, mode };
}

function setXattrs(
  setter: MetadataSetter,
  path: Buffer,
  version: NodeVersion,
  node: 'new' | 'present',
): void {
  const { posix, rules, notes } = setter;
  if (rules.xattrs === 'leave') {
    if (version.xattrs.length > 0) {
      notes.add('extended attributes and ACLs do not come back: the native part is missing');
    }
    return;
  }
  const compared = node === 'present' || setter.inherits;
  const present = compared
    ? new Map(posix.getXattrs(path).map(({ name, value }) => [name.toString('latin1'), value]))
    : new Map<string, Buffer>();
  for (const { name, value } of version.xattrs) {
    const key = name.toString('latin1');
    const same = present.get(key)?.equals(value) === true;
    present.delete(key);
    if (!same)
      attempt(notes, name, () => {
        posix.setXattr(path, name, value);
      });
  }
  for (const key of present.keys()) {
    const name = Buffer.from(key, 'latin1');
    if (isRemovable(name))
      attempt(notes, name, () => {
        posix.removeXattr(path, name);
      });
  }
}

/** Attributes that this user or file system cannot take are a note; other failures are errors. */
function attempt(notes: Notes, name: Buffer, set: () => void): void {
  try {
    set();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EPERM' && errno !== 'EACCES' && errno !== 'ENOTSUP' && errno !== 'EOPNOTSUPP') {
      throw error;
    }
    notes.add(`extended attribute ${toPathText(name)} does not come back: ${errno}`);
  }
}
