/** Points of a server under load, each restored to an empty folder, started there and judged. */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../shared/errors.js';
import { type Product, startProduct } from '../system/support/product.js';
import type { DatabaseKind, DatabaseServer } from './database-server.js';

const SET = 'app';
const WRITES_BETWEEN = 30;

export interface PointsAsked {
  readonly kind: DatabaseKind;
  readonly points: number;
  /** Where the server's folder is made; in the product's folder when undefined. */
  readonly parent?: string;
  readonly log: (line: string) => void;
}

export interface PointsFound {
  /** How long each hold was, in milliseconds. */
  readonly heldMs: readonly number[];
  /** What is wrong with points, one line a point. */
  readonly wrong: readonly string[];
}

export async function runPoints(asked: PointsAsked): Promise<PointsFound> {
  const { kind, log } = asked;
  let server: DatabaseServer | undefined;
  let product: Product | undefined;
  try {
    const created: { root: string } = { root: '' };
    // The set names the server's socket, and the server's folder may lie in the product's.
    const home = fs.mkdtempSync(path.join(asked.parent ?? '/var/tmp', 'afterimage-app-'));
    fs.chmodSync(home, 0o711);
    created.root = path.join(home, 'data');
    try {
      const running = await kind.create(created.root);
      server = running;
      await running.start();
      await running.load();
      product = await startProduct({
        sets: () => [
          { name: SET, roots: [created.root], quiesce: running.quiesce, ...running.set },
        ],
      });
      fs.chmodSync(product.folder, 0o711);
      return await takePoints({ asked, product, server: running, log });
    } finally {
      await product?.close();
      await server?.stop();
      fs.rmSync(home, { recursive: true, force: true });
    }
  } catch (error) {
    throw new Error(`${kind.name}: ${messageOf(error)}`, { cause: error });
  }
}

async function takePoints(at: {
  readonly asked: PointsAsked;
  readonly product: Product;
  readonly server: DatabaseServer;
  readonly log: (line: string) => void;
}): Promise<PointsFound> {
  const { asked, product, server, log } = at;
  const heldMs: number[] = [];
  const wrong: string[] = [];
  for (let n = 0; n < asked.points; n += 1) {
    await server.goesOn(WRITES_BETWEEN);
    const { acknowledged } = server;
    const point = await product.sync(SET);
    const { outcome } = await product.pointDetail(SET, point);
    const { consistency, applications } = outcome;
    heldMs.push(outcome.heldMs);
    log(
      `${asked.kind.name} point ${point}: held ${outcome.heldMs.toFixed(1)} ms, ${outcome.engine}, ${JSON.stringify(applications[0]?.facts)}`,
    );
    const found = await judge(asked.kind, await product.restore(SET, point, 'data'), acknowledged);
    if (consistency !== 'application') {
      wrong.push(
        `point ${point} is ${consistency}: ${JSON.stringify(applications)} ${outcome.movedWhileHeld.join(' ')}`,
      );
    }
    if (found !== undefined) wrong.push(`point ${point}: ${found}`);
  }
  return { heldMs, wrong };
}

/** What is wrong with a restored folder; it is removed. */
async function judge(
  kind: DatabaseKind,
  restored: string,
  acknowledged: number,
): Promise<string | undefined> {
  fs.chmodSync(path.dirname(restored), 0o711);
  const copy = kind.open(restored);
  try {
    await copy.start();
    await copy.check(acknowledged);
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    await copy.stop('kill');
    fs.rmSync(path.dirname(restored), { recursive: true, force: true });
  }
}
