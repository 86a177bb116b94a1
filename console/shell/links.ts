/** Links from page to page: what each page takes in its address, in one place. */
import { at, href } from './router.js';

export interface SetPlace {
  /** The point that is picked on the timeline. */
  readonly point?: number | undefined;
  /** What of time is shown, ms since the epoch. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export function setLink(set: string, { point, from, to }: SetPlace = {}): string {
  return href(at`/sets/${set}`, { point, from, to });
}

export type EntryTab = 'facts' | 'preview' | 'versions' | 'compare';

export interface PointPlace {
  /** The folder that is listed, as path text; the set's root when left out. */
  readonly path?: string | undefined;
  /** The entry whose panel is open, as path text. */
  readonly at?: string | undefined;
  readonly tab?: EntryTab | undefined;
  /** With which point the entry is compared. */
  readonly against?: number | undefined;
}

export function pointLink(
  set: string,
  point: number | string,
  { path, at: entry, tab, against }: PointPlace = {},
): string {
  return href(at`/sets/${set}/points/${point}`, { path, at: entry, tab, against });
}

/** What became of a path over all points. */
export function versionsLink(set: string, path: string): string {
  return href(at`/sets/${set}/versions`, { path });
}

/** What differs between two points, at and below `path`. */
export function compareLink(
  set: string,
  points: { readonly from: number; readonly to: number; readonly path?: string },
): string {
  return href(at`/sets/${set}/compare`, points);
}

/** Asks for a restore of these paths; none means everything. */
export function restoreLink(set: string, point: number, paths: readonly string[] = []): string {
  return href(at`/sets/${set}/restore`, { point, paths });
}

/** The folder that holds a path; `` for what stands at the root. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The last component of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
