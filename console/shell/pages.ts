/**
 * Every page of the console, one line each. A page is a component that gets the parameters of its
 * pattern and the query; `nav` puts it into the navigation. To add a page: write
 * console/pages/<name>/<name>-page.tsx, and a line here or in acting-pages.ts.
 */
import { OverviewPage } from '../pages/overview/overview-page.js';
import { ComparePage } from '../pages/compare/compare-page.js';
import { PointPage } from '../pages/point/point-page.js';
import { VersionsPage } from '../pages/point/versions-page.js';
import { SetPage } from '../pages/set/set-page.js';
import { texts } from '../texts.js';
import { actingPages } from './acting-pages.js';
import type { PageEntry } from './page-entry.js';

const { nav } = texts;

export const pages: readonly PageEntry[] = [
  {
    pattern: '/',
    view: OverviewPage,
    title: () => nav.sets,
    nav: { label: nav.sets, icon: 'sets' },
  },
  { pattern: '/sets/:set', view: SetPage, title: ({ set = '' }) => set },
  {
    pattern: '/sets/:set/points/:point',
    view: PointPage,
    title: ({ set = '', point = '' }) => `${set}@${point}`,
  },
  {
    pattern: '/sets/:set/versions',
    view: VersionsPage,
    title: ({ set = '' }) => texts.point.versions.title(set),
  },
  {
    pattern: '/sets/:set/compare',
    view: ComparePage,
    title: ({ set = '' }) => texts.compare.title(set),
  },
  ...actingPages,
];
