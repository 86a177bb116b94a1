/** Every text of the console, by topic. Pages say `texts.shell.skip`; a topic is a file in texts/. */
import { api, nav, shell, signIn } from './texts/shell.js';
import { acting } from './texts/acting.js';
import { agents } from './texts/agents.js';
import { alarms } from './texts/alarms.js';
import { audit } from './texts/audit.js';
import { jobs } from './texts/jobs.js';
import { overview } from './texts/overview.js';
import { policies } from './texts/policies.js';
import { restore } from './texts/restore.js';
import { search } from './texts/search.js';
import { compare } from './texts/compare.js';
import { point } from './texts/point.js';
import { set } from './texts/set.js';
import { settings } from './texts/settings.js';
import { words } from './texts/words.js';

export const texts = {
  api,
  nav,
  shell,
  signIn,
  words,
  overview,
  set,
  point,
  compare,
  acting,
  agents,
  alarms,
  audit,
  jobs,
  policies,
  restore,
  search,
  settings,
} as const;
