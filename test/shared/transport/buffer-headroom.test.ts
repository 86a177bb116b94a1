import { describe, expect, test } from 'vitest';
import { growthPercent } from '../../../shared/transport/buffer-headroom.js';

const MIB = 1024 * 1024;

describe('buffer headroom', () => {
  test('headroom: a small heap may grow by 48 MiB, whatever its size', () => {
    expect(growthPercent(12 * MIB)).toBe(400);
    expect(growthPercent(48 * MIB)).toBe(100);
  });

  test('headroom: a heap whose own growth is enough is left to V8', () => {
    expect(growthPercent(96 * MIB)).toBe(50);
    expect(growthPercent(98 * MIB)).toBe(0);
    expect(growthPercent(2048 * MIB)).toBe(0);
  });
});
