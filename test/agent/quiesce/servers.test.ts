/**
 * MariaDB and Redis, real and under load, held and always let go (promise 6): what their servers hold
 * for us too, locks and pauses, ends with the agent. PostgreSQL: postgresql.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import { isStopped } from '../../../agent/quiesce/process-tree.js';
import type { QuiesceRecipe } from '../../../agent/quiesce/recipe.js';
import { startWatchdog, type Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import { systemClock } from '../../../shared/clock.js';
import {
  quiesceSchema,
  toQuiesce,
  type QuiesceChoice,
} from '../../../shared/config/quiesce-config.js';
import { silentLog } from '../../../shared/log.js';
import type { DatabaseServer } from '../../applications/database-server.js';
import { mariadb } from '../../applications/mariadb-server.js';
import { redisDump, redisLog } from '../../applications/redis-server.js';
import { startHoldingAgent } from './holding-agent.js';

const never = new AbortController().signal;

describe.each([mariadb, redisLog, redisDump])('$name', (kind) => {
  const why = kind.missing();
  if (why !== undefined) console.warn(`holding ${kind.name} is not tested: ${why}`);

  describe.skipIf(why !== undefined)('held', () => {
    let home: string;
    let server: DatabaseServer;
    let watchdog: Watchdog;

    beforeAll(async () => {
      watchdog = await startWatchdog({ log: silentLog });
      home = mkdtempSync(join(tmpdir(), 'afterimage-server-'));
      server = await kind.create(join(home, 'data'));
      await server.start();
      await server.load();
    }, 60_000);
    afterAll(async () => {
      await server.stop('kill');
      await watchdog.close();
      rmSync(home, { recursive: true, force: true });
    });

    function configure(keys: object = {}, roots = [server.root]): QuiesceChoice {
      return toQuiesce(quiesceSchema.parse({ ...server.quiesce, ...keys }), roots);
    }
    function recipe(config: QuiesceChoice): QuiesceRecipe {
      return createRecipe(config, { watchdog, clock: systemClock, log: silentLog });
    }
    const stands = (): boolean => isStopped({ pid: server.pid, startTicks: '' });

    test('nothing runs while held, it takes writes after it, facts say what it is', async () => {
      const held = await recipe(configure()).hold(never);
      expect(stands()).toBe(true);
      expect(held.facts).toMatchObject({ dataFolder: server.root, frozen: 'processes' });
      expect(held.facts['version']).toMatch(/^\d+\.\d+/);
      expect(held.facts['logPosition']).toMatch(/\d/);
      expect(await held.release()).toMatchObject({ intact: true, problems: [] });
      await server.goesOn(3);
    });

    test('a killed agent lets it go, and what the server held for it', async () => {
      const agent = await startHoldingAgent(configure({ deadline: '3s' }), { until: 'held' });
      expect(stands()).toBe(true);
      await agent.kill();
      await server.goesOn(3);
    });

    test('a hold past its deadline is ended by the watchdog', async () => {
      const held = await recipe(configure({ deadline: '1500ms' })).hold(never);
      await server.goesOn(3);
      expect(await held.release()).toMatchObject({ intact: false, releasedBy: 'watchdog' });
    });

    test('files outside of the roots are refused by name', async () => {
      await expect(recipe(configure({}, ['/nowhere'])).hold(never)).rejects.toMatchObject({
        code: 'quiesce-failed',
        message: expect.stringContaining(server.root) as string,
      });
      await server.goesOn(3);
    });

    test('a client program that does not get in is an error with its words', async () => {
      const config = configure({ socket: join(home, 'none') });
      await expect(recipe(config).hold(never)).rejects.toMatchObject({
        code: 'quiesce-failed',
        message: expect.stringMatching(/connect/i) as string,
      });
    });

    // The last one: the load ends with the server.
    test('a server killed while held: the hold is broken, and another starts on its folder', async () => {
      const held = await recipe(configure()).hold(never);
      process.kill(server.pid, 'SIGKILL');
      await vi.waitFor(() => {
        expect(held.broken.aborted).toBe(true);
      });
      expect(await held.release()).toMatchObject({ intact: false });
      await server.stop('kill');
      const other = kind.open(server.root);
      await other.start();
      await other.stop('kill');
    });
  });
});
