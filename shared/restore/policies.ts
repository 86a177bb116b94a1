/** What a restore does with what it finds: where the point has something else, and where it has nothing. */

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
