import { describe, expect, it } from 'vitest';
import { LinkMemory } from '../../../shared/restore/link-memory.js';
import { joinPath } from '../../../shared/restore/set-path.js';

describe('link memory', () => {
  it('many places: each is found again, byte for byte', () => {
    const memory = new LinkMemory();
    const name = (node: number): Buffer =>
      Buffer.from(`name \xff ${node}`.padEnd(node % 200, 'x'), 'latin1');
    const folder = (node: number): Buffer => Buffer.from(`root/${Math.floor(node / 100)}`);
    for (let node = 2; node < 30_000; node += 1) memory.remember(node, folder(node), name(node));
    for (let node = 2; node < 30_000; node += 1) {
      expect(memory.find(node)?.equals(joinPath(folder(node), name(node)))).toBe(true);
    }
    expect(memory.find(1)).toBeUndefined();
    expect(memory.find(30_000)).toBeUndefined();
  });

  it('a root that is a file: has its name as path', () => {
    const memory = new LinkMemory();
    memory.remember(7, Buffer.alloc(0), Buffer.from('single'));
    expect(memory.find(7)?.toString()).toBe('single');
  });
});
