/**
 * What a restore does to one folder: merges what the point has with what is on disk. Pure; contents
 * of files are compared later, because that takes reading (`compare`).
 */
import type { FileStatus, Xattr } from '../posix/posix.js';
import { unreachable } from '../errors.js';
import type { NodeKind } from '../protocol/records.js';
import type { NodeVersion } from './node-version.js';
import type { SourceEntry } from './point-source.js';
import type { ConflictPolicy, OrphanPolicy } from './policies.js';

/** A name on disk. What needs a further call is only filled where the point has the name too. */
export interface LocalEntry {
  readonly name: Buffer;
  readonly status: FileStatus;
  /** Of a symlink. */
  readonly target?: Buffer;
  readonly xattrs?: readonly Xattr[];
  /** Of a folder that stands where the point has something else. */
  readonly empty?: boolean;
}

/** An entry of the point, with the place where its node already stands when it has several names. */
export interface WantedEntry extends SourceEntry {
  readonly linkTo?: Buffer;
}

export interface PlanRules {
  readonly conflict: ConflictPolicy;
  readonly orphans: OrphanPolicy['type'];
  /** Owners come back only when this process may give files away. */
  readonly owner: 'restore' | { readonly uid: number; readonly gid: number };
  readonly xattrs: 'restore' | 'leave';
  /** What times can be set to: 1 ns, or coarser without the native part. */
  readonly timeGrainNs: bigint;
}

export const metadataWords = ['mode', 'owner', 'mtime', 'xattrs'] as const;
export type MetadataWord = (typeof metadataWords)[number];

export type PlannedAction =
  /** Nothing is there. */
  | { readonly type: 'create'; readonly wanted: WantedEntry }
  /** Something else is there and goes first. */
  | { readonly type: 'replace'; readonly wanted: WantedEntry; readonly local: LocalEntry }
  /** A folder with contents is there, and nothing may be deleted. */
  | { readonly type: 'blocked'; readonly wanted: WantedEntry; readonly local: LocalEntry }
  /** Another name of a node that has its place already. */
  | {
      readonly type: 'link';
      readonly wanted: WantedEntry;
      readonly local: LocalEntry | undefined;
      readonly to: Buffer;
    }
  /** A file is there: its blocks decide. */
  | {
      readonly type: 'compare';
      readonly wanted: WantedEntry;
      readonly local: LocalEntry;
      readonly metadata: readonly MetadataWord[];
    }
  | {
      readonly type: 'adjust';
      readonly wanted: WantedEntry;
      readonly local: LocalEntry;
      readonly metadata: readonly MetadataWord[];
    }
  | { readonly type: 'keep'; readonly wanted: WantedEntry; readonly local: LocalEntry }
  /** Something else stands there, and stays. */
  | { readonly type: 'spare'; readonly wanted: WantedEntry; readonly local: LocalEntry }
  /** What the point lacks. */
  | { readonly type: 'delete' | 'move' | 'leave'; readonly local: LocalEntry };

const orphanActions = { leave: 'leave', delete: 'delete', 'move-aside': 'move' } as const;

/** Both lists are sorted by name bytes; so are the actions. */
export function planFolder(
  wanted: readonly WantedEntry[],
  local: readonly LocalEntry[],
  rules: PlanRules,
): PlannedAction[] {
  const actions: PlannedAction[] = [];
  let at = 0;
  const dropUpTo = (name: Buffer | undefined): void => {
    for (let next = local[at]; next !== undefined; next = local[at]) {
      if (name !== undefined && Buffer.compare(next.name, name) >= 0) return;
      actions.push({ type: orphanActions[rules.orphans], local: next });
      at += 1;
    }
  };
  for (const entry of wanted) {
    dropUpTo(entry.name);
    const same = local[at]?.name.equals(entry.name) === true ? local[at] : undefined;
    if (same !== undefined) at += 1;
    actions.push(planEntry(entry, same, rules));
  }
  dropUpTo(undefined);
  return actions;
}

/** What becomes of one name of the point. */
export function planEntry(
  wanted: WantedEntry,
  local: LocalEntry | undefined,
  rules: PlanRules,
): PlannedAction {
  if (local !== undefined && isSpared(wanted, local, rules)) {
    return { type: 'spare', wanted, local };
  }
  if (local !== undefined && isFullFolder(wanted, local) && mayNotGo(rules)) {
    return { type: 'blocked', wanted, local };
  }
  if (wanted.linkTo !== undefined) return { type: 'link', wanted, local, to: wanted.linkTo };
  if (local === undefined) return { type: 'create', wanted };
  if (!isSameThing(wanted.version, local)) return { type: 'replace', wanted, local };
  const metadata = wanted.way ? [] : metadataChanges(wanted.version, local, rules);
  if (wanted.version.kind === 'file') return { type: 'compare', wanted, local, metadata };
  return metadata.length === 0
    ? { type: 'keep', wanted, local }
    : { type: 'adjust', wanted, local, metadata };
}

/** Whether the policy of conflicts leaves it as it is; of a folder, its metadata. */
function isSpared(wanted: WantedEntry, local: LocalEntry, { conflict }: PlanRules): boolean {
  if (wanted.way && kindOf(local.status.mode) === 'folder') return false;
  if (conflict.type === 'keep-existing') return true;
  return conflict.type === 'keep-newer' && local.status.mtimeNs > conflict.thanNs;
}

function mayNotGo({ conflict, orphans }: PlanRules): boolean {
  return orphans === 'leave' && conflict.type !== 'rename';
}

/** A folder with contents where the point has something else. */
export function isFullFolder(wanted: WantedEntry, local: LocalEntry): boolean {
  return (
    wanted.version.kind !== 'folder' &&
    kindOf(local.status.mode) === 'folder' &&
    local.empty !== true
  );
}

function isSameThing(version: NodeVersion, local: LocalEntry): boolean {
  const kind = kindOf(local.status.mode);
  if (kind !== version.kind) return false;
  if (kind === 'symlink') return local.target?.equals(version.target) === true;
  if (kind === 'char' || kind === 'block') return local.status.rdev === version.rdev;
  return true;
}

function metadataChanges(
  version: NodeVersion,
  local: LocalEntry,
  rules: PlanRules,
): MetadataWord[] {
  const { status } = local;
  const changes: MetadataWord[] = [];
  if (version.kind !== 'symlink' && (status.mode & 0o7777) !== modeToSet(version, rules.owner)) {
    changes.push('mode');
  }
  if (rules.owner === 'restore' && (status.uid !== version.uid || status.gid !== version.gid)) {
    changes.push('owner');
  }
  if (!isSameTime(status.mtimeNs, version.mtimeNs, rules.timeGrainNs)) changes.push('mtime');
  if (rules.xattrs === 'restore' && !areSameXattrs(version.xattrs, local.xattrs ?? [])) {
    changes.push('xattrs');
  }
  return changes;
}

/** A setuid or setgid bit comes back only with the owner that it lends. */
export function modeToSet(version: NodeVersion, owner: PlanRules['owner']): number {
  if (owner === 'restore') return version.mode;
  const lent = (version.uid === owner.uid ? 0 : 0o4000) | (version.gid === owner.gid ? 0 : 0o2000);
  return version.mode & ~lent;
}

function isSameTime(a: bigint, b: bigint, grainNs: bigint): boolean {
  const apart = a > b ? a - b : b - a;
  return apart < grainNs;
}

/** Extended attributes that a restore sets and removes; others (security labels) it only sets. */
export function isRemovable(name: Buffer): boolean {
  const text = name.toString('latin1');
  return text.startsWith('user.') || text.startsWith('system.posix_acl_');
}

function areSameXattrs(wanted: readonly Xattr[], local: readonly Xattr[]): boolean {
  const present = new Map(local.map(({ name, value }) => [name.toString('latin1'), value]));
  for (const { name, value } of wanted) {
    const key = name.toString('latin1');
    if (present.get(key)?.equals(value) !== true) return false;
    present.delete(key);
  }
  return ![...present.keys()].some((key) => isRemovable(Buffer.from(key, 'latin1')));
}

const TYPE_MASK = 0o170000;
const kindsByType = new Map<number, NodeKind>([
  [0o100000, 'file'],
  [0o040000, 'folder'],
  [0o120000, 'symlink'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
  [0o020000, 'char'],
  [0o060000, 'block'],
]);

/** The kind in a status's mode; undefined for what Linux does not have. */
export function kindOf(mode: number): NodeKind | undefined {
  return kindsByType.get(mode & TYPE_MASK);
}

/** The type bits of a kind. */
export function typeBits(kind: NodeKind): number {
  for (const [bits, known] of kindsByType) if (known === kind) return bits;
  return unreachable(kind as never);
}
