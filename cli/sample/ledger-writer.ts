/**
 * A process that writes to the sample's database without pause, as an application would: each
 * transaction moves an amount between two accounts and adds a row, so that any consistent state has
 * the same sum and no missing row. Run with the database's path; ends with its standard input.
 */
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';

const ACCOUNTS = 100;
const PAUSE_MS = 4;
export const LEDGER_SUM = ACCOUNTS * 1000;

/** What a consistent copy of the ledger must satisfy; returns what is wrong, or the newest row. */
export function checkLedger(file: string): {
  readonly rows: number;
  readonly fault: string | null;
} {
  const db = new Database(file);
  try {
    const integrity = db.pragma('integrity_check', { simple: true });
    const { rows, newest } = db
      .prepare('SELECT count(*) AS rows, coalesce(max(id), 0) AS newest FROM entry')
      .get() as {
      rows: number;
      newest: number;
    };
    const { sum } = db.prepare('SELECT coalesce(sum(amount), 0) AS sum FROM account').get() as {
      sum: number;
    };
    if (integrity !== 'ok') return { rows, fault: `integrity_check says ${String(integrity)}` };
    if (rows !== newest) return { rows, fault: `${newest - rows} rows are missing` };
    if (sum !== LEDGER_SUM)
      return { rows, fault: `the accounts sum to ${sum} instead of ${LEDGER_SUM}` };
    return { rows, fault: null };
  } finally {
    db.close();
  }
}

export function openLedger(file: string): Database.Database {
  const db = new Database(file, { timeout: 30_000 });
  db.pragma('journal_mode = WAL');
  db.exec(`
    CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, debit INTEGER, credit INTEGER, amount INTEGER, note TEXT);
  `);
  const fill = db.prepare('INSERT OR IGNORE INTO account (id, amount) VALUES (?, 1000)');
  db.transaction(() => {
    for (let id = 1; id <= ACCOUNTS; id += 1) fill.run(id);
  })();
  return db;
}

/** One transaction: an amount moves, a row is added. */
export function moveAmount(db: Database.Database, n: number): void {
  const debit = 1 + (n % ACCOUNTS);
  const credit = 1 + ((n * 7 + 3) % ACCOUNTS);
  const amount = n % 50;
  db.transaction(() => {
    db.prepare('UPDATE account SET amount = amount - ? WHERE id = ?').run(amount, debit);
    db.prepare('UPDATE account SET amount = amount + ? WHERE id = ?').run(amount, credit);
    db.prepare('INSERT INTO entry (debit, credit, amount, note) VALUES (?, ?, ?, ?)').run(
      debit,
      credit,
      amount,
      `moved ${amount} from ${debit} to ${credit}`.repeat(4),
    );
  })();
}

async function main(file: string): Promise<void> {
  const db = openLedger(file);
  const ended = new AbortController();
  process.stdin
    .on('end', () => {
      ended.abort();
    })
    .resume();
  for (let n = 1; !ended.signal.aborted; n += 1) {
    moveAmount(db, n);
    await delay(PAUSE_MS);
  }
  db.close();
}

const [, entry, file] = process.argv;
if (entry?.endsWith('ledger-writer.js') === true && file !== undefined) await main(file);
