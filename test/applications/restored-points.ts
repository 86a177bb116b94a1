/** Points of a server under load, each restored to an empty folder, started there and judged. */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '../../shared/errors.js';
import { type Product, startProduct } from '../system/support/product.js';
import type { DatabaseKind, DatabaseServer } from './database-server.js';

const SET = 'app';
const ROOT = 'data';
const WRITES_BETWEEN = 30;

export interface PointsAsked {
  readonly kind: DatabaseKind;
  readonly points: number;
  /** Where the server's folder is made: on the file system that is tried. */
  readonly parent: string;
  readonly log: (line: string) => void;
}

export interface PointsFound {
  /** How long each hold was, in milliseconds. */
  readonly heldMs: readonly number[];
  /** What is wrong with points, one line a point. */
  readonly wrong: readonly string[];
}

export async function runPoints(asked: PointsAsked): Promise<PointsFound> {
  const { kind, log, parent } = asked;
  const home = fs.mkdtempSync(path.join(parent, 'afterimage-app-'));
  fs.chmodSync(home, 0o711);
  let server: DatabaseServer | undefined;
  let product: Product | undefined;
  try {
    const running = await kind.create(path.join(home, ROOT));
    server = running;
    await running.start();
    await running.load();
    const { root, quiesce, set } = running;
    const sets = [{ name: SET, roots: [root], quiesce, ...set }];
    product = await startProduct({ sets: () => sets });
    // Servers run as users of their own, who must get at what is restored.
    fs.chmodSync(product.folder, 0o711);
    return await takePoints({ asked, product, server: running, log });
  } catch (error) {
    throw new Error(`${kind.name}: ${messageOf(error)}`, { cause: error });
  } finally {
    await product?.close();
    await server?.stop();
    fs.rmSync(home, { recursive: true, force: true });
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
      `${asked.kind.name} point ${point}: ${outcome.engine}, ${outcome.heldMs.toFixed(1)} ms held`,
    );
    const found = await judge(asked.kind, await product.restore(SET, point, ROOT), acknowledged);
    if (consistency !== 'application') {
      const moved = outcome.movedWhileHeld.join(' ');
      wrong.push(`point ${point} is ${consistency}: ${JSON.stringify(applications)} ${moved}`);
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
