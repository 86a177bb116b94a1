/** What a page is to the console: the shape of a line of pages.ts, and what its component gets. */
import type { ComponentType } from 'preact';
import type { Role } from '../../shared/api/access.js';
import type { IconName } from '../parts/icon.js';
import type { Params } from './router.js';

export interface PageProps {
  readonly params: Params;
  readonly query: URLSearchParams;
}

export interface PageEntry {
  /** `/sets/:set`; the first entry that fits is shown. */
  readonly pattern: string;
  readonly view: ComponentType<PageProps>;
  /** For the window's title. */
  readonly title: (params: Params) => string;
  /** For those who may see it. */
  readonly nav?: { readonly label: string; readonly icon: IconName; readonly role?: Role };
}
