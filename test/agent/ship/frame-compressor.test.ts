import { expect, test } from 'vitest';
import { FrameCompressor } from '../../../agent/ship/frame-compressor.js';
import { type ModelOptions, runModel } from './model-link.js';

const MIB = 1024 * 1024;
const MBIT_100 = 12.5e6;

const shareOf = (run: ReturnType<typeof runModel>, level: number): number =>
  run.decisions.filter((decision) => decision.level === level).length / run.decisions.length;

test.each<{ name: string; model: Omit<ModelOptions, 'setting'> }>([
  { name: 'text', model: { linkBytesPerS: MBIT_100, contentBytes: 96 * MIB } },
  { name: 'half text', model: { linkBytesPerS: MBIT_100, contentBytes: 96 * MIB, textEvery: 2 } },
])('compression: beats none and the strongest over 100 Mbit/s, $name', ({ model }) => {
  const [auto, none, strongest, best] = (['auto', 'none', 19, 3] as const).map(
    (setting) => runModel({ ...model, setting }).ms,
  );
  expect(auto).toBeLessThan(1.05 * Math.min(none ?? 0, strongest ?? 0));
  // and it is near the best that a fixed level can do
  expect(auto).toBeLessThan(1.1 * (best ?? 0));
});

test('compression: out of the way where the link takes 400 MB/s', () => {
  const model = { linkBytesPerS: 400e6, contentBytes: 512 * MIB };
  const auto = runModel({ ...model, setting: 'auto' });
  const none = runModel({ ...model, setting: 'none' });
  expect(auto.ms).toBeLessThan(1.05 * none.ms);
  expect(shareOf(auto, 0)).toBeGreaterThan(0.9);
  expect(auto.decisions.at(-1)?.reason).toBe('link-outruns');
});

test('compression: what is little is compressed, also where the link outruns the processor', () => {
  const run = runModel({ linkBytesPerS: 1e9, contentBytes: 8 * MIB, setting: 'auto' });
  expect(shareOf(run, 3)).toBe(1);
  expect(run.sentBytes).toBeLessThan(0.3 * 8 * MIB);
});

test('compression: follows a link that becomes slow', () => {
  const linkBytesPerS = (nowMs: number): number => (nowMs > 300 ? MBIT_100 : 1e9);
  const run = runModel({ linkBytesPerS, contentBytes: 384 * MIB, setting: 'auto' });
  expect(run.decisions.some(({ reason }) => reason === 'link-outruns')).toBe(true);
  expect(run.decisions.at(-1)).toEqual({ level: 3, reason: 'link-bound' });
});

test('compression: follows a link that becomes fast', () => {
  const linkBytesPerS = (nowMs: number): number => (nowMs < 2000 ? MBIT_100 : 1e9);
  const run = runModel({ linkBytesPerS, contentBytes: 1024 * MIB, setting: 'auto' });
  expect(run.decisions.some(({ level }) => level === 3)).toBe(true);
  expect(run.decisions.at(-1)).toEqual({ level: 0, reason: 'link-outruns' });
});

test('compression: ends where the replica is slow and not the link', () => {
  const slow = { linkBytesPerS: 1e9, replicaBytesPerS: 150e6, contentBytes: 768 * MIB };
  const run = runModel({ ...slow, setting: 'auto' });
  expect(run.decisions.some(({ reason }) => reason === 'link-bound')).toBe(true);
  expect(run.decisions.at(-1)?.reason).toBe('no-gain');
  expect(shareOf(run, 0)).toBeGreaterThan(0.6);
});

test('compression: takes a quarter of a processor at most where none is idle', () => {
  const busy = { linkBytesPerS: 60e6, contentBytes: 512 * MIB, idleShare: 0, textEvery: 1 };
  const run = runModel({ ...busy, setting: 'auto' });
  expect(run.decisions.at(-1)).toEqual({ level: 0, reason: 'host-busy' });
  expect(run.compressMs / run.ms).toBeLessThan(0.3);
  const idle = runModel({ ...busy, idleShare: 0.9, setting: 'auto' });
  expect(idle.decisions.at(-1)).toEqual({ level: 1, reason: 'link-bound' });
});

test('compression: is what the configuration says, for all that can be compressed', () => {
  const text = Buffer.alloc(64 * 1024, 'all work and no play makes a dull copy of a file. ');
  const none = new FrameCompressor({ setting: 'none' });
  expect(none.compress(text)).toBe(undefined);
  const strong = new FrameCompressor({ setting: 19 });
  const small = strong.compress(text);
  expect(strong.state).toEqual({
    setting: 19,
    level: 19,
    reason: 'configured',
    linkBytesPerSecond: null,
    rawBytes: text.length,
    sentBytes: small?.length,
  });
  expect(small?.length).toBeLessThan(1000);
});
