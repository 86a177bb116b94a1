/** The console: who is not signed in is asked to; else the page that the address names, in the frame. */
import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { sessionState } from '../api/session.js';
import { Empty, Loading } from '../parts/states.js';
import { LinkButton } from '../parts/button.js';
import { texts } from '../texts.js';
import { Frame } from './frame.js';
import { SignInPage } from './sign-in-page.js';
import type { PageEntry } from './page-entry.js';
import { pages } from './pages.js';
import { href, matchPath, type Params, place } from './router.js';

export function App(): VNode {
  const session = sessionState.value;
  if (session.state === 'unknown') return <Loading />;
  if (session.state === 'out') {
    return <SignInPage why={session.why} unasked={session.unasked} />;
  }
  return (
    <Frame session={session.session}>
      <Outlet />
    </Frame>
  );
}

function Outlet(): VNode {
  const { path, query } = place.value;
  const found = findPage(path);
  const title = found === undefined ? texts.shell.noPage : found.page.title(found.params);
  useEffect(() => {
    document.title = `${title} · ${texts.shell.product}`;
  }, [title]);
  if (found === undefined) {
    return (
      <Empty
        title={texts.shell.noPage}
        action={<LinkButton href={href('/')}>{texts.shell.home}</LinkButton>}
      />
    );
  }
  const { page, params } = found;
  // Another set or point is another page: nothing of the last one may stay on the screen.
  return <page.view key={JSON.stringify([page.pattern, params])} params={params} query={query} />;
}

function findPage(path: string): { page: PageEntry; params: Params } | undefined {
  for (const page of pages) {
    const params = matchPath(page.pattern, path);
    if (params !== undefined) return { page, params };
  }
  return undefined;
}
