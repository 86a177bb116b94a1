/**
 * A database that another process writes to all the time: every point holds a whole database with
 * exactly the rows committed before it was held.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { checkLedger, openLedger } from '../../cli/sample/ledger-writer.js';
import { type Product, startProduct } from './support/product.js';

const writerFile = fileURLToPath(
  new URL('../../dist/cli/sample/ledger-writer.js', import.meta.url),
);
const POINTS = 50;

interface Cut {
  readonly point: number;
  /** Rows that were committed before the sync was asked for, and when it had ended. */
  readonly rowsBefore: number;
  readonly rowsAfter: number;
}

test(`sqlite: ${POINTS} points under write load are whole, with every row committed before the hold`, async () => {
  const product = await startProduct({
    sets: (folder) => {
      const root = path.join(folder, 'bank');
      fs.mkdirSync(root);
      openLedger(path.join(root, 'ledger.db')).close();
      return [
        {
          name: 'bank',
          roots: [root],
          exclude: ['*.db-shm'],
          quiesce: { recipe: 'sqlite', databases: [path.join(root, 'ledger.db')] },
        },
      ];
    },
  });
  const file = path.join(product.folder, 'bank', 'ledger.db');
  const writer = spawn(process.execPath, [writerFile, file], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  try {
    const cuts = await cutPoints(product, file);
    const held: number[] = [];
    for (const cut of cuts) {
      const restored = await product.restore('bank', cut.point, 'bank');
      const ledger = checkLedger(path.join(restored, 'ledger.db'));
      expect.soft(ledger.fault, `point ${cut.point}`).toBeNull();
      expect.soft(ledger.rows, `point ${cut.point}`).toBeGreaterThanOrEqual(cut.rowsBefore);
      expect.soft(ledger.rows, `point ${cut.point}`).toBeLessThanOrEqual(cut.rowsAfter);
      const { consistency, heldMs } = await product.pointDetail('bank', cut.point);
      expect.soft(consistency, `point ${cut.point}`).toBe('application');
      held.push(heldMs);
      fs.rmSync(path.dirname(restored), { recursive: true });
    }
    held.sort((a, b) => a - b);
    const [median = 0, max = 0] = [held[POINTS >> 1], held.at(-1)];
    process.stdout.write(`sqlite: held for ${median} ms in the middle, ${max} ms at most\n`);
    expect(cuts.at(-1)?.rowsAfter).toBeGreaterThan(cuts[0]?.rowsAfter ?? 0);
  } finally {
    await end(writer);
    await product.close();
  }
}, 240_000);

async function cutPoints(product: Product, file: string): Promise<Cut[]> {
  const db = new Database(file, { readonly: true });
  const count = db.prepare('SELECT count(*) FROM entry').pluck();
  const rows = (): number => Number(count.get());
  try {
    await product.until('the writer writes', () => rows() > 10);
    const cuts: Cut[] = [];
    while (cuts.length < POINTS) {
      const rowsBefore = rows();
      const point = await product.sync('bank');
      cuts.push({ point, rowsBefore, rowsAfter: rows() });
      await product.until('rows are added', () => rows() > rowsBefore);
    }
    return cuts;
  } finally {
    db.close();
  }
}

/** Ends with its standard input. */
async function end(writer: ChildProcess): Promise<void> {
  if (writer.exitCode !== null || writer.signalCode !== null) return;
  const ended = new Promise((resolve) => writer.once('exit', resolve));
  writer.stdin?.end();
  await ended;
}
