/** What stands around every page: skip link, navigation, live state, theme, who is signed in. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { liveState } from '../api/events.js';
import { may, type Session } from '../api/session.js';
import { AlarmBanner } from '../pages/alarms/alarm-banner.js';
import { Button } from '../parts/button.js';
import { Icon } from '../parts/icon.js';
import { texts } from '../texts.js';
import { Notices, notifyFailure } from './notices.js';
import { pages } from './pages.js';
import { href, place } from './router.js';
import { signOut } from './sign-in.js';
import { nextTheme, theme } from './theme.js';

export interface FrameProps {
  readonly session: Session;
  readonly children: ComponentChildren;
}

export function Frame({ session, children }: FrameProps): VNode {
  const main = useRef<HTMLElement>(null);
  const [menu, setMenu] = useState<'open' | 'closed'>('closed');
  const { path } = place.value;
  useEffect(() => {
    setMenu('closed');
  }, [path]);
  return (
    <div class="frame">
      <button class="skip-link" type="button" onClick={() => main.current?.focus()}>
        {texts.shell.skip}
      </button>
      <header class="frame-bar">
        <Button
          kind="quiet"
          class="frame-menu"
          label={texts.shell.menu}
          expanded={menu === 'open'}
          onClick={() => {
            setMenu(menu === 'open' ? 'closed' : 'open');
          }}
        >
          <Icon name="menu" />
        </Button>
        <a class="brand" href={href('/')}>
          <Icon name="brand" />
          <span>{texts.shell.product}</span>
        </a>
        <LiveMark />
        <span class="frame-gap" />
        <Button
          kind="quiet"
          label={texts.shell.theme[theme.value]}
          title={texts.shell.theme[theme.value]}
          onClick={nextTheme}
        >
          <Icon name={themeIcons[theme.value]} />
        </Button>
        <Account session={session} />
      </header>
      <nav class={`frame-nav ${menu}`} aria-label={texts.shell.navigation}>
        <Navigation path={path} />
      </nav>
      <main class="frame-main" ref={main} tabIndex={-1}>
        <AlarmBanner />
        {children}
      </main>
      <Notices />
    </div>
  );
}

const themeIcons = { system: 'system', light: 'sun', dark: 'moon' } as const;

function Navigation({ path }: { readonly path: string }): VNode {
  return (
    <ul>
      {pages.map(({ pattern, nav }) => {
        if (nav === undefined || !may(nav.role ?? 'viewer')) return null;
        const within =
          pattern === '/' ? path === '/' || path.startsWith('/sets/') : path.startsWith(pattern);
        return (
          <li key={pattern}>
            <a href={href(pattern)} {...(within ? { 'aria-current': 'page' } : {})}>
              <Icon name={nav.icon} />
              <span>{nav.label}</span>
            </a>
          </li>
        );
      })}
    </ul>
  );
}

function LiveMark(): VNode {
  const live = liveState.value;
  return (
    <span class={`live-mark ${live}`} title={texts.shell.liveTitle[live]}>
      <span class="live-dot" aria-hidden="true" />
      {texts.shell.live[live]}
    </span>
  );
}

function Account({ session }: { readonly session: Session }): VNode {
  const leave = (): void => {
    signOut().catch(notifyFailure);
  };
  return (
    <span class="account">
      <span class="account-who" title={texts.shell.role[session.role]}>
        {session.who}
      </span>
      <Button kind="quiet" label={texts.shell.signOut} title={texts.shell.signOut} onClick={leave}>
        <Icon name="leave" />
      </Button>
    </span>
  );
}
