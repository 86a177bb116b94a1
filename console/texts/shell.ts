/** Texts of the frame around the pages, of signing in, and of failures that the API has no words for. */
export const shell = {
  product: 'Afterimage',
  skip: 'Skip to content',
  menu: 'Menu',
  navigation: 'Pages',
  noPage: 'There is no such page',
  home: 'All sets',
  signOut: 'Sign out',
  dismiss: 'Dismiss',
  theme: {
    system: 'Colours: as the system',
    light: 'Colours: light',
    dark: 'Colours: dark',
  },
  live: { live: 'Live', away: 'Not live' },
  liveTitle: {
    live: 'Changes appear by themselves.',
    away: 'No live events: what is shown is asked for from time to time.',
  },
  role: { viewer: 'Viewer', operator: 'Operator', admin: 'Admin' },
} as const;

export const nav = {
  jobs: 'Jobs',
  search: 'Search',
  policies: 'Retention',
  alarms: 'Alarms',
  agents: 'Agents',
  audit: 'Audit',
  settings: 'Settings',
  sets: 'Sets',
} as const;

export const signIn = {
  token: 'Token',
  tokenHint: 'In the file “token” in the replica’s data folder, or given to you by an admin.',
  submit: 'Sign in',
  unasked: 'Whether you are signed in could not be asked.',
  why: { ended: 'The session has ended. Sign in again.', left: 'Signed out.' },
} as const;

export const api = {
  unreachable: 'The replica does not answer.',
  unreachableHint: 'Check that it runs and that this machine reaches it, then try again.',
  internalHint: 'Reload the page. If it stays, the replica’s log says more.',
  status: (status: number) => `The replica answered with status ${status}.`,
} as const;
