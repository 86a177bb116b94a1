/** What a restore does with what it finds: where the point has something else, and where it has nothing. */

export const conflictWords = ['overwrite', 'keep-newer', 'keep-existing', 'rename'] as const;
export type ConflictWord = (typeof conflictWords)[number];
export const orphanWords = ['leave', 'delete', 'move-aside'] as const;
export type OrphanWord = (typeof orphanWords)[number];

/**
 * `keep-newer` leaves what was written after `thanNs` (its mtime; ns since the epoch), `keep-existing`
 * whatever is there, unread. `rename` gives what is there another name first.
 */
export type ConflictPolicy =
  | { readonly type: 'overwrite' }
  | { readonly type: 'keep-newer'; readonly thanNs: bigint }
  | { readonly type: 'keep-existing' }
  | { readonly type: 'rename' };

/** `move-aside`: into a folder of this name in the root, under the path it had. */
export type OrphanPolicy =
  | { readonly type: 'leave' }
  | { readonly type: 'delete' }
  | { readonly type: 'move-aside'; readonly folder: Buffer };

/** @param than when the point was taken, ms since the epoch, by the clock of the files' times */
export function conflictPolicy(word: ConflictWord, than: { readonly ms: number }): ConflictPolicy {
  if (word !== 'keep-newer') return { type: word };
  return { type: word, thanNs: BigInt(Math.ceil(than.ms)) * 1_000_000n };
}

/** @param aside name of the folder that things are moved to */
export function orphanPolicy(word: OrphanWord, aside: Buffer): OrphanPolicy {
  return word === 'move-aside' ? { type: word, folder: aside } : { type: word };
}
