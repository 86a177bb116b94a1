/**
 * Entry of the console. Its room:
 *
 *   shell/    router, frame, pages.ts (a page is one line), session, theme, notices
 *   api/      client over the types of shared/api, failures, events, `useAnswer`
 *   parts/    what pages are made of: buttons, fields, tables, dialogs, lists, states, formats
 *   pages/    a folder a page: <name>/<name>-page.tsx and what only it needs
 *   texts/    every text that is shown, a file a topic; texts.ts names them
 *   styles/   the style sheet, a file a topic; app.css names them
 *
 * docs/design/console.md says how a page is added.
 */
import { render } from 'preact';
import { startEvents } from './api/events.js';
import { App } from './shell/app.js';
import { findSession } from './shell/sign-in.js';
import { startTheme } from './shell/theme.js';

const root = document.getElementById('app');
if (root !== null) {
  startTheme();
  startEvents();
  void findSession();
  render(<App />, root);
}
