/**
 * A taste of the applications campaign: real servers under load, points of them restored, started and
 * judged by their own checkers, and nothing missing that was acknowledged before (promises 2 and 6).
 */
import { describe, expect, test } from 'vitest';
import { redisDump, redisLog } from './redis-server.js';
import { runOn } from '../fault/campaigns/applications.js';
import { mariadb } from './mariadb-server.js';
import { postgresql, postgresqlBackup } from './postgresql-server.js';

const TIME_MS_MAX = 60_000;

describe.each([postgresql, postgresqlBackup, mariadb, redisLog, redisDump])('$name', (kind) => {
  const why = kind.missing();
  if (why !== undefined) console.warn(`${kind.name} not tested: ${why}`);

  test.skipIf(why !== undefined)(
    'applications: 2 points of it under load start, are whole and lack nothing',
    async () => {
      const said: string[] = [];
      const options = { seed: 1, budget: 0.1, log: (line: string) => said.push(line) };
      const outcome = await runOn('as it is', kind, options);
      expect(outcome, said.join('\n')).toEqual({ tried: 2, survived: 2, lost: 0, wrong: 0 });
      process.stdout.write(`${said.join('\n')}\n`);
    },
    TIME_MS_MAX,
  );
});
