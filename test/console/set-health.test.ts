/** What the overview says of a set: the worst that is true, in the order in which it has to be seen to. */
import { expect, test } from 'vitest';
import { healthOf, needsAttention } from '../../console/pages/overview/set-health.js';
import { type SetStatusJson, setStatusSchema } from '../../shared/api/status.js';

const good: SetStatusJson = setStatusSchema.parse({
  set: 'shop',
  agent: 'app-1',
  agentConnected: true,
  state: 'idle',
  error: null,
  newest: {
    point: 3,
    timeMs: 1,
    sync: 3,
    consistency: 'application',
    operation: 'schedule',
    recipe: 'hooks',
    heldMs: 3,
    files: 1,
    bytes: 1,
    changedNodes: 1,
    changedBytes: 1,
    healed: null,
    unreadable: 0,
  },
  points: 3,
  lagMs: 5000,
  continuityMs: 90_000,
  behindMs: 0,
  space: { baseBytes: 1, atticBytes: 1, packBytes: 1, indexBytes: 1 },
  scrub: null,
  lagTargetMs: 60_000,
  alarms: 0,
  lastVerified: null,
});
const error = { code: 'quota', message: 'the quota is used up', hint: '' };
const scrub = {
  state: 'idle',
  lastEndedMs: null,
  found: 1,
  repaired: 0,
  damaged: 1,
  wanted: 0,
  findings: 0,
} as const;

test.each([
  ['good', {}, false],
  ['receiving', { state: 'receiving' }, false],
  ['first', { newest: null, lagMs: null }, false],
  ['behind', { lagMs: 60_001 }, true],
  ['away', { agentConnected: false, lagMs: 60_001 }, true],
  ['refused', { error, agentConnected: false }, true],
  ['alarm', { alarms: 1, error }, true],
  ['damaged', { scrub, alarms: 1 }, true],
  ['stalled', { state: 'stalled', error, scrub, alarms: 2, agentConnected: false }, true],
] as const)('a set: is %s, whatever lesser is true too', (word, part, attention) => {
  const set: SetStatusJson = { ...good, ...part };
  expect(healthOf(set).word).toBe(word);
  expect(needsAttention(set)).toBe(attention);
});
