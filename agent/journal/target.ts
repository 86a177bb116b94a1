/** What a sync must look at, when it need not look at everything. */

/** How much of what is at a path: the entry; a folder's entries too; all that lies below. */
export const looks = ['entry', 'listing', 'deep'] as const;
export type Look = (typeof looks)[number];

export interface Target {
  /** `<root>/<path>`. */
  readonly path: Buffer;
  readonly look: Look;
}
