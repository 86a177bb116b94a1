/**
 * How entries of the audit hang together: each has a digest over the digest before it and itself, so
 * that one that was changed, put in or taken out of the middle is noticed by whoever reads them all.
 * That the end was not cut off is told by a head that was noted elsewhere.
 */
import { createHash } from 'node:crypto';
import type { AuditEntry } from '../api/audit.js';

/** Stands before the first entry. */
export const NO_AUDIT_DIGEST = '0'.repeat(64);

/** SHA-256 in hex, over the digest before, a line feed, and the entry as JSON in this order. */
export function auditDigest(before: string, entry: Omit<AuditEntry, 'digest'>): string {
  const { id, timeMs, who, role, address, action, set, point, detail, status, code } = entry;
  const fields = [id, timeMs, who, role, address, action, set, point, detail, status, code];
  return createHash('sha256')
    .update(`${before}\n${JSON.stringify(fields)}`)
    .digest('hex');
}

export interface AuditBreak {
  /** The first entry that does not fit. */
  readonly id: number;
  readonly why: string;
}

/** Follows entries from the first one on, oldest first. */
export class AuditChain {
  #id = 0;
  #digest = NO_AUDIT_DIGEST;
  #broken: AuditBreak | undefined;

  /** The last entry that fits. */
  get head(): { readonly id: number; readonly digest: string } {
    return { id: this.#id, digest: this.#digest };
  }

  get broken(): AuditBreak | undefined {
    return this.#broken;
  }

  add(entry: AuditEntry): void {
    if (this.#broken !== undefined) return;
    const why = this.#whyNot(entry);
    if (why !== undefined) {
      this.#broken = { id: entry.id, why };
      return;
    }
    this.#id = entry.id;
    this.#digest = entry.digest;
  }

  #whyNot(entry: AuditEntry): string | undefined {
    if (entry.id !== this.#id + 1) return `it follows entry ${this.#id}: entries are missing`;
    if (entry.digest === auditDigest(this.#digest, entry)) return undefined;
    return 'its digest is not that of what it says after the entry before it';
  }
}
