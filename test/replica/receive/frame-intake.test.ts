import { describe, expect, test } from 'vitest';
import { FrameIntake } from '../../../replica/receive/frame-intake.js';
import { silentLog } from '../../../shared/log.js';
import type { Header } from '../../../shared/protocol/frame.js';
import { until } from '../../agent/ship/wire-rig.js';
import { FakeSet } from './fake-set.js';

const headerOf = (sequence: number, more: Partial<Header> = {}): Header => ({
  type: 'records',
  compressed: false,
  restart: false,
  session: '0'.repeat(16),
  sequence,
  counter: sequence,
  recordCount: 0,
  rawLength: 0,
  bodyLength: 0,
  ...more,
});

describe('frame intake', () => {
  test('intake: frames that hold nothing are not queued without end while the set takes none', () => {
    const port = new FakeSet('files');
    port.gate = new Promise(() => undefined);
    const intake = new FrameIntake({
      port,
      log: silentLog,
      onProgress: () => undefined,
      onBroken: () => undefined,
    });
    expect(intake.take({ header: headerOf(1, { restart: true }), body: Buffer.alloc(16, 1) })).toBe(
      'taken',
    );
    let taken = 0;
    const empty = (sequence: number) => ({ header: headerOf(sequence), body: Buffer.alloc(0) });
    while (taken < 1_000_000 && intake.take(empty(2 + taken)) === 'taken') taken += 1;
    expect(taken).toBeGreaterThan(1000);
    expect(taken).toBeLessThan(200_000);
    intake.close();
  });

  test('intake: memory of a frame is given back when the set has answered, and no sooner', async () => {
    const port = new FakeSet('files');
    let open = (): void => undefined;
    port.gate = new Promise((resolve) => (open = resolve));
    const said: string[] = [];
    const stage = port.stage.bind(port);
    port.stage = (frame) => stage(frame).finally(() => said.push(`staged ${frame.sequence}`));
    const intake = new FrameIntake({
      port,
      log: silentLog,
      onProgress: () => said.push('received'),
      onBroken: () => undefined,
    });
    const arrive = (sequence: number, restart: boolean, body: Buffer): void => {
      const release = (): void => void said.push(`free ${sequence}`);
      intake.take({ header: headerOf(sequence, { restart }), body, release });
    };
    arrive(1, true, Buffer.alloc(16, 1));
    arrive(2, false, Buffer.alloc(0));
    arrive(3, false, Buffer.alloc(0));
    await new Promise((resolve) => setImmediate(resolve));
    expect(said).toEqual(['free 1', 'received']);
    open();
    await until(() => intake.idle);
    expect(said.slice(2)).toEqual(
      [1, 2].flatMap((sequence) => [`staged ${sequence}`, `free ${sequence + 1}`, 'received']),
    );
    intake.close();
  });
});
