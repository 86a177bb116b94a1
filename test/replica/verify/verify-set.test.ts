import { describe, expect, it } from 'vitest';
import type { VerifyFinding, VerifyLine } from '../../../shared/api/actions.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { BLOCK_BYTES } from '../../../shared/limits.js';
import type { PointSummary, PointView } from '../../../replica/history/set-reader.js';
import { verifySet, type VerifyRequest } from '../../../replica/verify/verify-set.js';
import { MemorySet } from '../support/memory-set.js';

const hash = createHashCore();
const block = (fill: number): Buffer => Buffer.alloc(BLOCK_BYTES, fill);

async function verify(set: MemorySet, request: Partial<VerifyRequest> = {}): Promise<VerifyLine[]> {
  const lines: VerifyLine[] = [];
  const signal = new AbortController().signal;
  for await (const line of verifySet(set, { hash, depth: 'data', signal, ...request })) {
    lines.push(line);
  }
  expect(set.openViews).toBe(0);
  return lines;
}

function findings(lines: readonly VerifyLine[]): VerifyFinding[] {
  return lines.filter((line) => line.type === 'finding');
}

function bytesRead(lines: readonly VerifyLine[]): number {
  const last = lines.findLast((line) => line.type === 'progress');
  return last?.bytes ?? -1;
}

function threePoints(): MemorySet {
  const set = new MemorySet('shop', hash);
  const blocks = Array.from({ length: 20 }, (_, index) => block(index + 1));
  set.cut((tree) => tree.folder('app').file('app/db', Buffer.concat(blocks)).file('app/old', 'o'));
  blocks[7] = block(77);
  set.cut((tree) => tree.file('app/db', Buffer.concat(blocks)).remove('app/old'));
  set.cut((tree) => tree.rename('app/db', 'app/database').link('app/again', 'app/database'));
  return set;
}

describe('verify', () => {
  it('a good set: reads each stored block once, whatever the points and names that have it', async () => {
    const lines = await verify(threePoints());
    expect(findings(lines)).toEqual([]);
    expect(bytesRead(lines)).toBe(20 * BLOCK_BYTES + BLOCK_BYTES + 1);
    expect(lines.at(-1)).toMatchObject({ type: 'progress', pointsDone: 3, pointsTotal: 3 });
  });

  it('a damaged block: is reported for every point that has it, under its path there', async () => {
    const set = threePoints();
    set.damage(set.tree(3).node('app/database'), 2);
    const found = findings(await verify(set));
    expect(found.map(({ finding, point, path, block: at }) => [finding, point, path, at])).toEqual([
      ['damaged', 3, 'app/again', 2],
      ['damaged', 2, 'app/db', 2],
      ['damaged', 1, 'app/db', 2],
    ]);
  });

  it('a damaged block that only older points have: is reported for them alone', async () => {
    const set = threePoints();
    const view = set.open.bind(set);
    const node = set.tree(1).node('app/db');
    set.open = (point) => damagedAt(view(point), { node, block: 7, untilPoint: 1 });
    const found = findings(await verify(set));
    expect(found.map(({ point, block: at }) => [point, at])).toEqual([[1, 7]]);
  });

  it('one point: only that one is read', async () => {
    const set = threePoints();
    const lines = await verify(set, { point: 1 });
    expect(bytesRead(lines)).toBe(20 * BLOCK_BYTES + 1);
    set.damage(set.tree(3).node('app/database'), 2);
    expect(findings(await verify(set, { point: 2, depth: 'index' }))).toEqual([]);
  });

  it('content that is mostly other than in the newer point: is read as a whole', async () => {
    const set = new MemorySet('shop', hash);
    const blocks = Array.from({ length: 10 }, (_, index) => block(index + 1));
    set.cut((tree) => tree.folder('app').file('app/f', Buffer.concat(blocks)));
    const rewritten = blocks.map((bytes, index) => (index < 5 ? block(100 + index) : bytes));
    set.cut((tree) => tree.file('app/f', Buffer.concat(rewritten)));
    expect(bytesRead(await verify(set))).toBe(20 * BLOCK_BYTES);
  });

  it('the index: a chain that does not follow and a node that is not there are found, a clock that was set back is none', async () => {
    const set = threePoints();
    const points = set.points.bind(set);
    set.points = () =>
      points().map((point) => (point.point === 2 ? { ...point, timeMs: 1 } : point));
    const open = set.open.bind(set);
    const missing = set.tree(1).node('app/old');
    set.open = (point) => withoutVersion(open(point), missing);
    const found = findings(await verify(set, { depth: 'index' }));
    expect(found.map(({ point, path, message }) => [point, path, message])).toEqual([
      [1, 'app/old', `its node ${missing} does not exist at this point`],
    ]);
    set.points = () =>
      points().map((point): PointSummary => {
        const checked = { ...point, incarnation: set.incarnation };
        return point.point === 2 ? { ...checked, manifest: Buffer.alloc(32) } : checked;
      });
    const chain = findings(await verify(set, { depth: 'index' }));
    expect(chain[0]).toMatchObject({
      point: 2,
      message: /does not follow from point 1/,
    });
  });

  it('cancelled: stops with that error and closes what it opened', async () => {
    const set = threePoints();
    const controller = new AbortController();
    controller.abort();
    await expect(verify(set, { signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(set.openViews).toBe(0);
  });
});

function damagedAt(
  view: PointView,
  at: { readonly node: number; readonly block: number; readonly untilPoint: number },
): PointView {
  const readBlock = view.readBlock.bind(view);
  view.readBlock = async (node, number) => {
    const bytes = await readBlock(node, number);
    const hit = view.point <= at.untilPoint && node === at.node && number === at.block;
    return hit ? Buffer.alloc(bytes.length, 99) : bytes;
  };
  return view;
}

function withoutVersion(view: PointView, missing: number): PointView {
  const version = view.version.bind(view);
  view.version = (node) => (node === missing ? undefined : version(node));
  return view;
}
