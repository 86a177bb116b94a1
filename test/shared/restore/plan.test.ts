import { describe, expect, it } from 'vitest';
import {
  type LocalEntry,
  planFolder,
  type PlannedAction,
  type PlanRules,
  type WantedEntry,
} from '../../../shared/restore/plan.js';
import type { NodeVersion } from '../../../replica/history/set-reader.js';

const types = {
  file: 0o100000,
  folder: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  char: 0o020000,
};

function wanted(
  name: string,
  kind: keyof typeof types = 'file',
  version: Partial<NodeVersion> = {},
  entry: Partial<WantedEntry> = {},
): WantedEntry {
  return {
    name: Buffer.from(name),
    way: false,
    version: {
      node: 9,
      kind,
      mode: 0o644,
      uid: 10,
      gid: 20,
      size: 5,
      mtimeNs: 1_000_000_000n,
      rdev: 0,
      target: Buffer.from(kind === 'symlink' ? 'there' : ''),
      xattrs: [],
      born: 1,
      ...version,
    },
    ...entry,
  };
}

function local(
  name: string,
  kind: keyof typeof types = 'file',
  status: Partial<LocalEntry['status']> = {},
  entry: Partial<LocalEntry> = {},
): LocalEntry {
  return {
    name: Buffer.from(name),
    ...(kind === 'symlink' ? { target: Buffer.from('there') } : {}),
    ...(kind === 'folder' ? { empty: false } : {}),
    xattrs: [],
    status: {
      mode: types[kind] | 0o644,
      nlink: 1,
      uid: 10,
      gid: 20,
      rdev: 0,
      dev: 1,
      ino: 2n,
      size: 5,
      blocks: 8,
      mtimeNs: 1_000_000_000n,
      ctimeNs: 0n,
      btimeNs: 0n,
      ...status,
    },
    ...entry,
  };
}

const rules: PlanRules = {
  conflict: { type: 'overwrite' },
  orphans: 'leave',
  owner: 'restore',
  xattrs: 'restore',
  timeGrainNs: 1n,
};
const deleting: PlanRules = { ...rules, orphans: 'delete' };

function told(action: PlannedAction): string {
  const name = ('wanted' in action ? action.wanted : action.local).name.toString();
  const metadata = 'metadata' in action ? ` ${action.metadata.join('+')}` : '';
  return `${action.type} ${name}${metadata}`.trimEnd();
}

const acl = { name: Buffer.from('system.posix_acl_access'), value: Buffer.from([1]) };
const label = { name: Buffer.from('security.label'), value: Buffer.from([2]) };

describe('plan of one name', () => {
  it.each<[string, WantedEntry, LocalEntry | undefined, PlanRules, string]>([
    ['nothing there', wanted('f'), undefined, rules, 'create f'],
    ['the same file', wanted('f'), local('f'), rules, 'compare f'],
    ['another size', wanted('f'), local('f', 'file', { size: 9 }), rules, 'compare f'],
    ['another mode', wanted('f'), local('f', 'file', { mode: 0o100600 }), rules, 'compare f mode'],
    ['setuid', wanted('f', 'file', { mode: 0o4644 }), local('f'), rules, 'compare f mode'],
    ['another owner', wanted('f'), local('f', 'file', { uid: 1 }), rules, 'compare f owner'],
    ['another group', wanted('f'), local('f', 'file', { gid: 1 }), rules, 'compare f owner'],
    [
      '1 ns apart',
      wanted('f'),
      local('f', 'file', { mtimeNs: 1_000_000_001n }),
      rules,
      'compare f mtime',
    ],
    [
      '1 ns apart, coarse times',
      wanted('f'),
      local('f', 'file', { mtimeNs: 999_999_999n }),
      { ...rules, timeGrainNs: 1000n },
      'compare f',
    ],
    [
      'an ACL is missing',
      wanted('f', 'file', { xattrs: [acl] }),
      local('f'),
      rules,
      'compare f xattrs',
    ],
    [
      'an ACL too many',
      wanted('f'),
      local('f', 'file', {}, { xattrs: [acl] }),
      rules,
      'compare f xattrs',
    ],
    [
      'a security label too many',
      wanted('f'),
      local('f', 'file', {}, { xattrs: [label] }),
      rules,
      'compare f',
    ],
    [
      'an ACL without the means',
      wanted('f', 'file', { xattrs: [acl] }),
      local('f'),
      { ...rules, xattrs: 'leave' },
      'compare f',
    ],
    ['a symlink for a file', wanted('f'), local('f', 'symlink'), rules, 'replace f'],
    ['a file for a symlink', wanted('f', 'symlink'), local('f'), rules, 'replace f'],
    [
      'the same symlink, other mode',
      wanted('f', 'symlink'),
      local('f', 'symlink', { mode: 0o120777 }),
      rules,
      'keep f',
    ],
    [
      'a symlink elsewhere',
      wanted('f', 'symlink'),
      local('f', 'symlink', {}, { target: Buffer.from('x') }),
      rules,
      'replace f',
    ],
    [
      'another device',
      wanted('f', 'char', { rdev: 5 }),
      local('f', 'char', { rdev: 6 }),
      rules,
      'replace f',
    ],
    ['the same FIFO', wanted('f', 'fifo'), local('f', 'fifo'), rules, 'keep f'],
    [
      'a folder of other mode',
      wanted('f', 'folder', { mode: 0o700 }),
      local('f', 'folder'),
      rules,
      'adjust f mode',
    ],
    [
      'a folder on the way',
      wanted('f', 'folder', { mode: 0o700 }, { way: true }),
      local('f', 'folder'),
      rules,
      'keep f',
    ],
    ['a full folder for a file', wanted('f'), local('f', 'folder'), rules, 'blocked f'],
    [
      'a full folder for a file, deleting',
      wanted('f'),
      local('f', 'folder'),
      deleting,
      'replace f',
    ],
    [
      'an empty folder for a file',
      wanted('f'),
      local('f', 'folder', {}, { empty: true }),
      rules,
      'replace f',
    ],
    [
      'a full folder for a link',
      wanted('f', 'file', {}, { linkTo: Buffer.from('a') }),
      local('f', 'folder'),
      rules,
      'blocked f',
    ],
    [
      'another name of a node',
      wanted('f', 'file', {}, { linkTo: Buffer.from('a') }),
      local('f'),
      rules,
      'link f',
    ],
  ])('%s', (_, want, there, by, expected) => {
    const actions = planFolder([want], there === undefined ? [] : [there], by);
    expect(actions.map(told)).toEqual([expected]);
  });

  it('without the right to give files away: setuid and setgid only come back with their own owner', () => {
    const foreign: PlanRules = { ...rules, owner: { uid: 1, gid: 20 } };
    const want = wanted('f', 'file', { mode: 0o6755 });
    const there = local('f', 'file', { mode: 0o102755, uid: 1 });
    expect(planFolder([want], [there], foreign).map(told)).toEqual(['compare f']);
  });
});

describe('plan of a folder', () => {
  const there = ['a', 'c', 'e', 'g'].map((name) => local(name));
  const want = ['b', 'c', 'f', 'g'].map((name) => wanted(name));

  it('what the point lacks: is left, unless it is to be deleted, in the order of names', () => {
    expect(planFolder(want, there, rules).map(told)).toEqual([
      'leave a',
      'create b',
      'compare c',
      'leave e',
      'create f',
      'compare g',
    ]);
    expect(planFolder(want, there, deleting).map(told)).toEqual([
      'delete a',
      'create b',
      'compare c',
      'delete e',
      'create f',
      'compare g',
    ]);
    expect(planFolder([], there, deleting)).toHaveLength(4);
  });
});
