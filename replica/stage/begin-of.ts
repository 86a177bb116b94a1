/** The `begin` that a frame starts with, if it does, and what it must build on. */
import { AfterimageError } from '../../shared/errors.js';
import { type BeginRecord, decodeRecords } from '../../shared/protocol/records.js';
import { newestChain } from '../index/cut.js';
import type { IndexDb } from '../index/index-db.js';
import { newestPoint } from '../index/nodes.js';

/** Throws `frame-malformed` when the frame's first record does not decode. */
export function beginOf(body: Uint8Array): BeginRecord | undefined {
  const first = decodeRecords(body).next();
  return first.done !== true && first.value.type === 'begin' ? first.value : undefined;
}

/** The sync that a frame begins; 0 when it begins none or does not even decode. */
export function syncBegunBy(body: Uint8Array): number {
  try {
    return beginOf(body)?.sync ?? 0;
  } catch {
    // What does not decode names no sync; that it does not decode is said elsewhere.
    return 0;
  }
}

/** A sync builds on the newest point alone (R13). Throws `parent-mismatch`. */
export function checkParent(index: IndexDb, record: BeginRecord): void {
  const newest = newestPoint(index);
  if (record.parentPoint === newest && newestChain(index).equals(record.parentChain)) return;
  throw new AfterimageError(
    'parent-mismatch',
    `sync ${record.sync} builds on point ${record.parentPoint}, the newest is ${newest}`,
    { facts: { sync: record.sync } },
  );
}
