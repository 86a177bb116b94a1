/** Certifies what a round of scrubbing found: every stored byte of each point was looked at. */
import type { SetStore } from '../history/set-store.js';
import type { ScrubDb } from '../verify/scrub-db.js';

const DAMAGE_MAX = 100_000;

/**
 * To be called when a round has ended: an entry for the points that are whole, and one for each number
 * of damaged blocks that a point has. Points cut during the round are left to the next.
 */
export function certifyRound(store: SetStore, db: Pick<ScrubDb, 'last' | 'damage'>): void {
  const { last } = db;
  if (last?.endedMs == null) return;
  const damage = db.damage(DAMAGE_MAX);
  const begins = damage.map(({ from }) => from).sort((a, b) => a - b);
  const ends = damage.map(({ to }) => to).sort((a, b) => a - b);
  const rows = store.index.all<{ point: number }>(
    'SELECT point FROM point WHERE time_ms <= ? ORDER BY point',
    last.startedMs,
  );
  const byCount = new Map<number, number[]>();
  let [begun, ended] = [0, 0];
  for (const { point } of rows) {
    while ((begins[begun] ?? Infinity) <= point) begun += 1;
    while ((ends[ended] ?? Infinity) < point) ended += 1;
    const count = begun - ended;
    const points = byCount.get(count) ?? [];
    points.push(point);
    byCount.set(count, points);
  }
  for (const [findings, points] of byCount) {
    store.recordCheck({ points, check: 'data', timeMs: last.endedMs, findings });
  }
}
