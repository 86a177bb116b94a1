/**
 * Every page of the console, one line each. A page is a component that gets the parameters of its
 * pattern and the query; `nav` puts it into the navigation for those who may see it. To add a page:
 * write console/pages/<name>/<name>-page.tsx, and a line here.
 */
import type { ComponentType } from 'preact';
import type { Role } from '../../shared/api/access.js';
import { actingPages } from './acting-pages.js';
import { OverviewPage } from '../pages/overview/overview-page.js';
import { texts } from '../texts.js';
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
  readonly nav?: { readonly label: string; readonly icon: IconName; readonly role?: Role };
}

export const pages: readonly PageEntry[] = [
  {
    pattern: '/',
    view: OverviewPage,
    title: () => texts.nav.sets,
    nav: { label: texts.nav.sets, icon: 'sets' },
  },
  ...actingPages,
];
