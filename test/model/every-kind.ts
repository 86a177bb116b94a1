/** A script whose last sync makes apply do everything it can: for striking it at every step. */
import { SET_NODE } from '../../shared/protocol/records.js';
import type { EntryName, Operation } from './operation.js';
import type { Script, SyncStep } from './script.js';
import type { ModelKind } from './tree.js';

function at(name: string, folder: number = SET_NODE): EntryName {
  return { folder, name };
}

function create(place: EntryName, node: number, kind: ModelKind, bytes = 0): Operation {
  const mtimeNs = String(1_600_000_000_123_456_789n + BigInt(node));
  return { do: 'create', at: place, node, kind, mode: 0o644, mtimeNs, bytes, salt: node };
}

function sync(salt: number): SyncStep {
  return { do: 'sync', salt, frameBytes: 20_000, troubles: [], then: 'same' };
}

const mtimeNs = '1700000000987654321';

export const everyKind: Script = [
  create(at('folder'), 2, 'folder'),
  create(at('inner', 2), 3, 'folder'),
  create(at('patched'), 4, 'file', 150_000),
  create(at('cut'), 5, 'file', 70_000),
  create(at('deep', 3), 6, 'file', 100),
  create(at('link'), 7, 'symlink'),
  create(at('one'), 8, 'file', 9000),
  { do: 'link', node: 8, to: at('other', 2) },
  create(at('gone'), 9, 'file', 5000),
  create(at('kind'), 10, 'file', 5000),
  create(at('old'), 11, 'folder'),
  create(at('saved', 11), 12, 'file', 300),
  create(at('victim'), 13, 'file', 5000),
  sync(1),
  { do: 'write', node: 4, at: 5000, bytes: 9000, salt: 77, mtimeNs },
  sync(2),
  { do: 'write', node: 4, at: 66_000, bytes: 100, salt: 78, mtimeNs },
  { do: 'write', node: 4, at: 4096, bytes: 100, salt: 79, mtimeNs },
  { do: 'resize', node: 5, bytes: 3000, mtimeNs },
  create(at('fresh'), 20, 'file', 30_000),
  create(at('new folder'), 21, 'folder'),
  create(at('inside', 21), 22, 'file', 10),
  create(at('pointer', 21), 23, 'symlink'),
  { do: 'link', node: 4, to: at('hard', 21) },
  { do: 'swap', a: at('folder'), b: at('inner', 2) },
  { do: 'move', from: at('inner', 2), to: at('moved', 21) },
  { do: 'remove', at: at('gone') },
  { do: 'round' },
  { do: 'remove', at: at('kind') },
  create(at('kind'), 24, 'folder'),
  create(at('file', 24), 25, 'file', 66_000),
  { do: 'move', from: at('saved', 11), to: at('victim') },
  { do: 'remove', at: at('old') },
  { do: 'swap', a: at('one'), b: at('link') },
  { do: 'touch', node: 6, mode: 0o600, mtimeNs },
  sync(3),
];

/** Then points go, and with them packs of which little is needed. */
export const everyKindOfRemoval: Script = [
  ...everyKind,
  { do: 'write', node: 4, at: 0, bytes: 100_000, salt: 80, mtimeNs },
  { do: 'remove', at: at('fresh') },
  sync(4),
  { do: 'write', node: 4, at: 0, bytes: 100_000, salt: 81, mtimeNs },
  sync(5),
  { do: 'write', node: 4, at: 0, bytes: 100_000, salt: 82, mtimeNs },
  sync(6),
  { do: 'prune', keep: [0], troubles: [] },
];
