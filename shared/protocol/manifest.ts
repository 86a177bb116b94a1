/**
 * The manifest digest: SHA-256 over a sync's records without their literal bytes, which their
 * digests already name. Agent and replica compute it independently, record by record; the chain of
 * a set's points is built on it (R13). `begin` starts it; `end`'s outcome is part of it.
 */
import { createHash, type Hash } from 'node:crypto';
import { ByteWriter } from './bytes.js';
import { encodeRecord, RECORD_HEADER_BYTES, type SyncRecord } from './records.js';

const FLUSH_BYTES = 64 * 1024;
const nothing = Buffer.alloc(0);
/** Of a literal, before it. */
const LENGTH_BYTES = 4;

export class ManifestDigest {
  #hash: Hash = createHash('sha256');
  readonly #writer = new ByteWriter(2 * FLUSH_BYTES);

  add(record: SyncRecord): void {
    if (record.type === 'begin') this.#restart();
    encodeForManifest(this.#writer, record);
    if (this.#writer.length >= FLUSH_BYTES) this.#absorb();
  }

  /** The same for one that was encoded as the last of `encoded`, from `start` on: it is not twice. */
  addEncodedRecord(record: SyncRecord, encoded: ByteWriter, start: number): void {
    if (record.type === 'begin') this.#restart();
    copyForManifest(this.#writer, record, { encoded, start });
    if (this.#writer.length >= FLUSH_BYTES) this.#absorb();
  }

  /** The digest so far, 32 bytes; adding may go on. */
  digest(): Buffer {
    this.#absorb();
    return this.#hash.copy().digest();
  }

  /** What the digest will be when `record` is added; nothing is added. */
  digestWith(record: SyncRecord): Buffer {
    this.#absorb();
    const writer = new ByteWriter();
    encodeRecord(writer, withoutLiterals(record));
    return this.#hash.copy().update(writer.view()).digest();
  }

  /** Adds records that `encodeForManifest` wrote earlier; the first of a sync starts with `begin`. */
  addEncoded(records: Uint8Array, options: { readonly begins: boolean }): void {
    if (options.begins) this.#restart();
    this.#absorb();
    this.#hash.update(records);
  }

  #restart(): void {
    this.#hash = createHash('sha256');
    this.#writer.reset();
  }

  #absorb(): void {
    this.#hash.update(this.#writer.view());
    this.#writer.reset();
  }
}

/** Appends a record as the manifest digest sees it: without its literal bytes. */
export function encodeForManifest(writer: ByteWriter, record: SyncRecord): void {
  encodeRecord(writer, withoutLiterals(record));
}

/** The same for one of which `bytes` is the encoding, as it came. */
export function copyReceived(writer: ByteWriter, record: SyncRecord, bytes: Uint8Array): void {
  if (record.type === 'splice') {
    encodeForManifest(writer, record);
  } else if (record.type === 'block' || record.type === 'pages') {
    const from = writer.length;
    writer.bytes(bytes.subarray(0, bytes.length - record.bytes.length - LENGTH_BYTES));
    writer.long(nothing);
    writer.patchU32(from + 1, writer.length - from - RECORD_HEADER_BYTES);
  } else {
    writer.bytes(bytes);
  }
}

/** The same for one that is encoded already: its bytes up to a literal, which comes last. */
function copyForManifest(
  writer: ByteWriter,
  record: SyncRecord,
  at: { readonly encoded: ByteWriter; readonly start: number },
): void {
  const { encoded, start } = at;
  if (record.type === 'splice') {
    encodeForManifest(writer, record);
  } else if (record.type === 'block' || record.type === 'pages') {
    const from = writer.length;
    writer.from(encoded, start, encoded.length - record.bytes.length - LENGTH_BYTES);
    writer.long(nothing);
    writer.patchU32(from + 1, writer.length - from - RECORD_HEADER_BYTES);
  } else {
    writer.from(encoded, start, encoded.length);
  }
}

function withoutLiterals(record: SyncRecord): SyncRecord {
  switch (record.type) {
    case 'block':
    case 'pages':
      return { ...record, bytes: nothing };
    case 'splice':
      return {
        ...record,
        segments: record.segments.map((segment) =>
          segment.type === 'literal' ? { type: 'literal', bytes: nothing } : segment,
        ),
      };
    default:
      return record;
  }
}

/** chain(n) = SHA-256(chain(n−1), manifest digest, incarnation). */
export function nextChain(
  parent: Uint8Array,
  manifest: Uint8Array,
  incarnation: Uint8Array,
): Buffer {
  return createHash('sha256').update(parent).update(manifest).update(incarnation).digest();
}
