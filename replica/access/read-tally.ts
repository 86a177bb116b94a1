/**
 * Keeps the audit short where the same is asked over and over: a restore or a mount reads a point in
 * thousands of requests, a script knocks with an old token. The first is recorded at once, those like
 * it within a minute as one entry that counts them.
 */
import type { AuditLog, NewAuditEntry } from './audit-log.js';

const WINDOW_MS = 60_000;
const LOOK_MS = 5_000;
/** Kinds of repetition that are told apart at a time. */
const KINDS_MAX = 10_000;

interface Repeated {
  readonly entry: NewAuditEntry;
  readonly untilMs: number;
  again: number;
}

export class ReadTally {
  readonly #audit: AuditLog;
  readonly #monotonic: () => number;
  /** Oldest first. */
  readonly #kinds = new Map<string, Repeated>();
  readonly #timer: NodeJS.Timeout;

  constructor(deps: { readonly audit: AuditLog; readonly monotonic: () => number }) {
    this.#audit = deps.audit;
    this.#monotonic = deps.monotonic;
    this.#timer = setInterval(() => {
      this.look();
    }, LOOK_MS).unref();
  }

  take(entry: NewAuditEntry): void {
    if (!isRepeatable(entry)) {
      this.#audit.append(entry);
      return;
    }
    this.look();
    const kind = JSON.stringify(entry);
    const known = this.#kinds.get(kind);
    if (known !== undefined) {
      known.again += 1;
      return;
    }
    if (this.#kinds.size >= KINDS_MAX) this.#tellOldest();
    this.#kinds.set(kind, { entry, untilMs: this.#monotonic() + WINDOW_MS, again: 0 });
    this.#audit.append(entry);
  }

  /** Tells of what is over. */
  look(): void {
    const nowMs = this.#monotonic();
    for (const [kind, { untilMs }] of this.#kinds) {
      if (untilMs > nowMs) return;
      this.#tell(kind);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const kind of this.#kinds.keys()) this.#tell(kind);
  }

  #tellOldest(): void {
    const oldest = this.#kinds.keys().next();
    if (oldest.done !== true) this.#tell(oldest.value);
  }

  #tell(kind: string): void {
    const repeated = this.#kinds.get(kind);
    this.#kinds.delete(kind);
    if (repeated === undefined || repeated.again === 0) return;
    const { entry, again } = repeated;
    const detail = `${entry.detail} (${again} more within a minute)`.trimStart();
    this.#audit.append({ ...entry, detail });
  }
}

/** Actions named `….read`, tries that were refused, and whatever somebody without a token does. */
function isRepeatable({ action, role }: NewAuditEntry): boolean {
  return action.endsWith('.read') || action === 'refused' || role === null;
}
