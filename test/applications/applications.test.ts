/**
 * A taste of the applications campaign: real servers under load, points of them restored, started and
 * judged by their own checkers, and nothing missing that was acknowledged before (promises 2 and 6).
 */
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { redisDump, redisLog } from './redis-server.js';
import { runPoints } from './restored-points.js';
import { mariadb } from './mariadb-server.js';
import { postgresql } from './postgresql-server.js';

const POINTS = 3;
const TIME_MS_MAX = 60_000;

describe.each([postgresql, mariadb, redisLog, redisDump])('$name', (kind) => {
  const why = kind.missing();
  if (why !== undefined) console.warn(`${kind.name} not tested: ${why}`);

  test.skipIf(why !== undefined)(
    `applications: ${POINTS} points of it under load start, are whole and lack nothing`,
    async () => {
      const said: string[] = [];
      const result = await runPoints({
        kind,
        points: POINTS,
        parent: tmpdir(),
        log: (line) => said.push(line),
      });
      expect(result.wrong, said.join('\n')).toEqual([]);
      expect(result.heldMs).toHaveLength(POINTS);
      process.stdout.write(`${said.join('\n')}\n`);
    },
    TIME_MS_MAX,
  );
});
