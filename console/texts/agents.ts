/** Texts of agents and their enrolment. */
import { formatNumbered as many } from '../parts/format.js';

export const agents = {
  title: 'Agents',
  empty: 'No agent is enrolled yet.',
  name: 'Agent',
  host: 'Host',
  sets: 'Sets',
  state: 'State',
  seen: 'Last seen',
  key: 'Key since',
  enrolled: 'Enrolled',
  states: { enrolled: 'never came', active: 'active', revoked: 'revoked' },
  connected: 'connected',
  away: 'away',
  actions: 'Actions',
  enrol: 'Enrol an agent',
  enrolIntro:
    'You get a file for the application server. It works once, and it is a secret until then.',
  newName: 'Name',
  newNameHint: 'a-z, 0-9, _ and -; usually the name of the server',
  badName: 'Use a-z, 0-9, _ and - only.',
  valid: 'Good for',
  days: (days: number) => many(days, 'day', 'days'),
  make: 'Make enrolment',
  once: 'This is shown once. Copy it now, or save it as a file.',
  text: 'Enrolment',
  until: (time: string) => `To be used once, until ${time}.`,
  download: 'Save as file',
  commands: 'On the application server',
  commandsIntro: (file: string) =>
    `With the file beside them as ${file}. Put your own set and roots into agent.yaml.`,
  done: 'I have it',
  revoke: 'Revoke',
  revokeOne: (name: string) => `Revoke ${name}`,
  revokeSure: (name: string) =>
    `${name} is refused from now on, and cannot come back without a new enrolment. Its sets and points stay.`,
  revoked: (name: string) => `${name} is revoked.`,
} as const;
