/** The `begin` that a frame starts with, if it does. */
import { type BeginRecord, decodeRecords } from '../../shared/protocol/records.js';

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
