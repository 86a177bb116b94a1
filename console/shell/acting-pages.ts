/** The pages on which somebody acts, as pages.ts lists them. */
import { AgentsPage } from '../pages/agents/agents-page.js';
import { AlarmsPage } from '../pages/alarms/alarms-page.js';
import { AuditPage } from '../pages/audit/audit-page.js';
import { JobPage } from '../pages/jobs/job-page.js';
import { JobsPage } from '../pages/jobs/jobs-page.js';
import { PoliciesPage } from '../pages/policies/policies-page.js';
import { RestorePage } from '../pages/restore/restore-page.js';
import { SearchPage } from '../pages/search/search-page.js';
import { SettingsPage } from '../pages/settings/settings-page.js';
import { texts } from '../texts.js';
import type { PageEntry } from './page-entry.js';

const { nav } = texts;

export const actingPages: readonly PageEntry[] = [
  {
    pattern: '/sets/:set/restore',
    view: RestorePage,
    title: ({ set = '' }) => texts.restore.title(set),
  },
  {
    pattern: '/search',
    view: SearchPage,
    title: () => nav.search,
    nav: { label: nav.search, icon: 'search' },
  },
  {
    pattern: '/jobs',
    view: JobsPage,
    title: () => nav.jobs,
    nav: { label: nav.jobs, icon: 'jobs' },
  },
  { pattern: '/jobs/:job', view: JobPage, title: ({ job = '' }) => texts.jobs.one(job) },
  {
    pattern: '/alarms',
    view: AlarmsPage,
    title: () => nav.alarms,
    nav: { label: nav.alarms, icon: 'alarm' },
  },
  {
    pattern: '/retention',
    view: PoliciesPage,
    title: () => nav.policies,
    nav: { label: nav.policies, icon: 'policies' },
  },
  {
    pattern: '/agents',
    view: AgentsPage,
    title: () => nav.agents,
    nav: { label: nav.agents, icon: 'agents' },
  },
  {
    pattern: '/audit',
    view: AuditPage,
    title: () => nav.audit,
    nav: { label: nav.audit, icon: 'audit', role: 'admin' },
  },
  {
    pattern: '/settings',
    view: SettingsPage,
    title: () => nav.settings,
    nav: { label: nav.settings, icon: 'settings' },
  },
];
