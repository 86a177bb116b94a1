/** Random changes to a memory tree: every kind of node, names that change kind, hard links, moves. */
import { BLOCK_BYTES } from '../../../shared/limits.js';
import type { MemoryTree } from './memory-tree.js';

export type Random = (below: number) => number;

/** A small generator (mulberry32): the same seed gives the same numbers. */
export function seededRandom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const names = ['a', 'b', 'c', 'd', 'e \xff', 'f'];

/** Works below the root `app`, which it makes when it is missing. */
export function scramble(tree: MemoryTree, random: Random): void {
  if (tree.find(Buffer.from('app')) === undefined) tree.folder('app');
  for (let step = 0; step < 40; step += 1) change(tree, random);
}

function change(tree: MemoryTree, random: Random): void {
  const folders = pathsOf(tree, 'folder');
  const path = `${pick(folders, random)}/${pick(names, random)}`;
  const metadata = {
    mode: [0o644, 0o755, 0o600][random(3)] ?? 0o644,
    mtimeNs: BigInt(random(1e9)),
  };
  switch (random(8)) {
    case 0:
      tree.folder(path, { ...metadata, mode: 0o755 });
      return;
    case 1:
      tree.symlink(path, pick(names, random), { mtimeNs: metadata.mtimeNs });
      return;
    case 2:
      tree.special(path, 'fifo', metadata);
      return;
    case 3:
      if (tree.find(Buffer.from(path, 'latin1')) !== undefined) tree.remove(path);
      return;
    case 4: {
      const files = pathsOf(tree, 'file');
      if (files.length > 0) tree.link(path, pick(files, random));
      return;
    }
    default:
      tree.file(path, randomContent(random), metadata);
  }
}

function pathsOf(tree: MemoryTree, kind: string): string[] {
  return tree
    .walk()
    .filter(({ version }) => version.kind === kind)
    .map(({ path }) => path.toString('latin1'));
}

function pick(choices: readonly string[], random: Random): string {
  return choices[random(choices.length)] ?? '';
}

function randomContent(random: Random): Buffer {
  const content = Buffer.alloc(random(3) === 0 ? random(3 * BLOCK_BYTES) : random(5000));
  for (let stretch = 0; stretch < random(4); stretch += 1) {
    const start = random(content.length + 1);
    content.fill(1 + random(255), start, Math.min(content.length, start + random(9000)));
  }
  return content;
}
