import { describe, expect, test } from 'vitest';
import { type ArrivedFrames, decideHello } from '../../../replica/receive/hello-outcome.js';
import type { SetPosition } from '../../../replica/receive/set-port.js';
import type { Hello } from '../../../shared/protocol/hello.js';

const chainOf = (seed: number) => Buffer.alloc(32, seed);
const boot = 'b0'.repeat(16);
const stream = '57'.repeat(16);

const replica: SetPosition = {
  point: 5,
  chain: chainOf(5),
  parentChain: chainOf(4),
  chainOf: (point) => (point >= 1 && point <= 5 ? chainOf(point) : null),
  newestSync: { sync: 50, manifest: chainOf(99), timeMs: 1234 },
  staged: null,
};
const staged = (more: Partial<NonNullable<SetPosition['staged']>> = {}): SetPosition => ({
  ...replica,
  staged: { boot, sync: 51, sealed: false, receivedSequence: 10, durableSequence: 8, ...more },
});

const position = (
  point: number,
  ended: { sync: number; manifest: Buffer } | null = null,
): Hello['position'] => ({
  point,
  chain: chainOf(point).toString('hex'),
  incarnation: '00'.repeat(16),
  ended: ended === null ? null : { ...ended, manifest: ended.manifest.toString('hex') },
});

/** A point that this replica never had. */
const elsewhere = (point: number): Hello['position'] => ({
  ...position(point),
  chain: chainOf(77).toString('hex'),
});

/** Nothing written yet. */
const fresh: Hello['frames'] = {
  stream,
  first: 1,
  firstRestarts: false,
  next: 1,
  boot,
  offset: 0,
  open: null,
};
/** Numbering restarted at frame 100; sync 51 began at 101, frames up to 120 were cut. */
const shipping: Hello['frames'] = {
  ...fresh,
  first: 109,
  next: 121,
  offset: 100,
  open: { sync: 51, begin: 101 },
};
const arrived = (next: number, refusedSync: number | null = null): ArrivedFrames => ({
  stream,
  next,
  received: next - 1,
  idle: true,
  refusedSync,
});

const decide = (
  agent: Hello['position'],
  frames: Hello['frames'],
  at: SetPosition = replica,
  known: ArrivedFrames | null = null,
) => decideHello({ position: agent, frames }, at, known);

test.each([
  ['an agent without a state', position(0), replica, 'agent-state-lost'],
  ['an agent at an older point', position(3), replica, 'agent-state-old'],
  ['a replica without a point', position(5), { ...replica, point: 0 }, 'replica-state-lost'],
  ['a replica at an older point', position(6), replica, 'replica-state-old'],
  ['another point of the same number', elsewhere(3), replica, 'other-history'],
] as const)('hello: %s is told from other histories (R13)', (_, agent, at, reason) => {
  const decision = decideHello({ position: agent, frames: fresh }, at, null);
  expect(decision).toMatchObject({ outcome: { type: 'diverged', reason } });
});

describe('hello outcome: whose history goes on', () => {
  const mine = { sync: 50, manifest: chainOf(99) };
  const cases: [string, Hello['position'], SetPosition, unknown][] = [
    ['equal', position(5), replica, { type: 'go-on', resumed: false }],
    [
      'one ahead with my sync',
      position(4, mine),
      replica,
      { type: 'roll-forward', point: 5, chain: chainOf(5).toString('hex'), timeMs: 1234 },
    ],
    ['one ahead with another sync', position(4, { ...mine, sync: 49 }), replica, 'diverged'],
    [
      'my sync with another manifest',
      position(4, { ...mine, manifest: chainOf(1) }),
      replica,
      'diverged',
    ],
    ['one ahead, and I ended none', position(4), replica, 'diverged'],
    ['two ahead', position(3, mine), replica, 'diverged'],
    ['the agent is ahead', position(6), replica, 'diverged'],
    ['the agent is new', position(0), replica, 'diverged'],
    [
      'my first sync, and no point before it',
      { ...position(0, mine), chain: chainOf(0).toString('hex') },
      { ...replica, point: 1, parentChain: null },
      'roll-forward',
    ],
    [
      'same number, another history',
      { ...position(5), chain: chainOf(6).toString('hex') },
      replica,
      'diverged',
    ],
  ];
  for (const [what, agent, at, expected] of cases) {
    test(`history: ${what}`, () => {
      const decision = decide(agent, fresh, at);
      if (decision === 'wait') throw new Error('nothing to wait for');
      const { outcome } = decision;
      if (typeof expected === 'string') expect(outcome.type).toBe(expected);
      else expect(outcome).toEqual(expected);
    });
  }

  test('history: a sealed sync goes on to its commit for the process that sent it', () => {
    const ended = position(5, { sync: 51, manifest: chainOf(7) });
    const decision = decide(ended, shipping, staged({ sealed: true }), arrived(121));
    expect(decision).toEqual({
      outcome: { type: 'go-on', resumed: true },
      frames: { type: 'from', sequence: 121 },
    });
    // its frames are not needed again, whatever became of them
    expect(decide(ended, shipping, staged({ sealed: true }))).toMatchObject({
      outcome: { type: 'go-on', resumed: true },
      frames: { type: 'restart' },
    });
  });

  test('history: for any other process, what is being sealed or applied is waited for', () => {
    const ended = position(5, { sync: 51, manifest: chainOf(7) });
    const behind = position(4, { sync: 51, manifest: chainOf(7) });
    for (const at of [staged({ sealed: true }), staged({ ended: true })]) {
      expect(decide(ended, fresh, at)).toBe('wait');
      expect(decide(position(5), fresh, at)).toBe('wait');
      expect(decide(behind, shipping, at)).toBe('wait');
    }
    expect(decide(ended, shipping, staged({ ended: true }), arrived(121))).toMatchObject({
      outcome: { type: 'go-on', resumed: true },
    });
  });
});

test.each([
  ['an agent without a state', position(0), replica, 'agent-state-lost'],
  ['an agent at an older point', position(3), replica, 'agent-state-old'],
  ['a replica without a point', position(5), { ...replica, point: 0 }, 'replica-state-lost'],
  ['a replica at an older point', position(6), replica, 'replica-state-old'],
  ['another point of the same number', elsewhere(3), replica, 'other-history'],
] as const)('hello: %s is told from other histories (R13)', (_, agent, at, reason) => {
  const decision = decideHello({ position: agent, frames: fresh }, at, null);
  expect(decision).toMatchObject({ outcome: { type: 'diverged', reason } });
});

test('history: frames of an older process that wait may end its sync', () => {
  const ended = position(5, { sync: 51, manifest: chainOf(7) });
  const waiting = { ...arrived(115), stream: 'a1'.repeat(16), received: 110, idle: false };
  for (const at of [replica, staged()]) {
    expect(decide(ended, fresh, at, waiting)).toBe('wait');
    // its end was never sent, or all that was sent has been taken
    expect(decide(position(5), fresh, at, waiting)).toMatchObject({ outcome: { type: 'go-on' } });
    const taken = { ...waiting, received: 114, idle: true };
    expect(decide(ended, fresh, at, taken)).toMatchObject({ outcome: { type: 'go-on' } });
  }
});

describe('hello outcome: which frames are good', () => {
  const here = position(5);
  const cases: [string, Hello['frames'], SetPosition, ArrivedFrames | null, object, boolean][] = [
    ['a new agent begins its numbering', fresh, replica, null, { type: 'restart' }, false],
    [
      'the same stream goes on where it stood',
      shipping,
      staged(),
      arrived(115),
      { type: 'from', sequence: 115 },
      true,
    ],
    [
      'after a crash of the replica, what it staged counts',
      shipping,
      staged(),
      null,
      { type: 'from', sequence: 111 },
      true,
    ],
    [
      'after a crash that lost what the agent has let go of, the sync is over',
      shipping,
      staged({ receivedSequence: 7 }),
      null,
      { type: 'lost' },
      false,
    ],
    [
      'after a crash that lost everything, while the agent has all',
      { ...shipping, first: 101 },
      replica,
      null,
      { type: 'restart' },
      true,
    ],
    ['and while it has not', shipping, replica, null, { type: 'lost' }, false],
    [
      'frames staged for another sync are no use',
      { ...shipping, first: 101 },
      staged({ sync: 50 }),
      null,
      { type: 'restart' },
      true,
    ],
    [
      'frames staged for another numbering are no use',
      shipping,
      staged({ boot: 'cc'.repeat(16) }),
      null,
      { type: 'lost' },
      false,
    ],
    [
      'the same stream, but the stage dropped the sync by itself',
      { ...shipping, first: 101 },
      replica,
      arrived(115),
      { type: 'restart' },
      true,
    ],
    [
      'the same stream, and the sync waits to be staged',
      { ...shipping, first: 101 },
      replica,
      { ...arrived(115), received: 100, idle: false },
      { type: 'from', sequence: 115 },
      true,
    ],
    [
      'the same stream, and the refusal of the sync is on its way',
      shipping,
      replica,
      arrived(115, 51),
      { type: 'from', sequence: 115 },
      true,
    ],
    [
      'a sync that was dropped on the way is jumped over',
      { ...shipping, first: 118, firstRestarts: true, open: null },
      staged(),
      arrived(115),
      { type: 'from', sequence: 118 },
      false,
    ],
    [
      'a sync of which nothing has arrived yet',
      { ...shipping, first: 101 },
      replica,
      arrived(101),
      { type: 'from', sequence: 101 },
      true,
    ],
  ];
  for (const [what, frames, at, known, plan, resumed] of cases) {
    test(`frames: ${what}`, () => {
      const decision = decide(here, frames, at, known);
      expect(decision).toEqual({ outcome: { type: 'go-on', resumed }, frames: plan });
    });
  }
});
