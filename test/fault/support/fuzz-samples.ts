/** Right messages to start altering from. */
export const hex = (bytes: number): string => 'a1'.repeat(bytes);
export const json = (...values: readonly unknown[]): Buffer[] =>
  values.map((value) => Buffer.from(JSON.stringify(value)));

export const hello = {
  host: 'web-1',
  tokens: ['new', 'old'],
  enrolment: null,
  position: {
    point: 3,
    chain: hex(32),
    incarnation: hex(16),
    ended: { sync: 4, manifest: hex(32) },
  },
  frames: {
    stream: hex(16),
    first: 1,
    firstRestarts: true,
    next: 5,
    boot: hex(16),
    offset: 0,
    open: { sync: 4, begin: 2 },
  },
  seen: { epoch: hex(8), serial: 9 },
  windowBytes: 4_194_304,
};

export const welcome = {
  type: 'welcome' as const,
  session: hex(8),
  token: 'token',
  confirmed: 0,
  outcome: { type: 'diverged' as const, point: 3, chain: hex(32) },
  frames: { type: 'from' as const, sequence: 5 },
  epoch: hex(8),
  windowBytes: 4_194_304,
};
