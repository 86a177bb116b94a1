/** What a session remembers of the sync that it carries. */

/** The sync whose `begin` was written and whose fate is not known. */
export interface OpenSync {
  readonly sync: number;
  /** Sequence of its first frame, and of its last once `end` was written. */
  begin: number;
  end: number | null;
  sealed: boolean;
}

/** What a HELLO was said about; the answer is about no more than that. */
export interface SaidAtHello {
  readonly open: OpenSync | null;
  readonly endedSync: number | undefined;
}

export function syncSaid({ open, endedSync }: SaidAtHello): number | null {
  return open?.sync ?? endedSync ?? null;
}
