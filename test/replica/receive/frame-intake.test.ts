import { describe, expect, test } from 'vitest';
import { FrameIntake } from '../../../replica/receive/frame-intake.js';
import { silentLog } from '../../../shared/log.js';
import type { Header } from '../../../shared/protocol/frame.js';
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
    expect(intake.take(headerOf(1, { restart: true }), Buffer.alloc(16, 1))).toBe('taken');
    let taken = 0;
    while (taken < 1_000_000 && intake.take(headerOf(2 + taken), Buffer.alloc(0)) === 'taken') {
      taken += 1;
    }
    expect(taken).toBeGreaterThan(1000);
    expect(taken).toBeLessThan(200_000);
    intake.close();
  });
});
