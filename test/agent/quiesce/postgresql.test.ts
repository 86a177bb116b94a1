/**
 * A real PostgreSQL under load, held and always let go (promise 6): the agent killed, the deadline
 * passed, the server killed or started anew, the disk full. Points of it: test/applications.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import { identityOf, isAlive } from '../../../agent/quiesce/process-identity.js';
import { isStopped, processTree } from '../../../agent/quiesce/process-tree.js';
import type { PostgresqlConfig, QuiesceRecipe } from '../../../agent/quiesce/recipe.js';
import { startWatchdog, type Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { createPostgres, postgresql, type Postgres } from '../../applications/postgresql-server.js';
import { BlockDevices, call, mountsMissing } from '../../fault/power/block-devices.js';
import { startHoldingAgent } from './holding-agent.js';

const why = postgresql.missing();
if (why !== undefined) console.warn(`holding PostgreSQL is not tested: ${why}`);
const never = new AbortController().signal;

describe.skipIf(why !== undefined)('postgresql', () => {
  let home: string;
  let server: Postgres;
  let watchdog: Watchdog;

  beforeAll(async () => {
    watchdog = await startWatchdog({ log: silentLog });
    home = mkdtempSync(join(tmpdir(), 'afterimage-postgresql-'));
    chmodSync(home, 0o711);
    server = await createPostgres(join(home, 'data'), { scale: 1, clients: 1, rate: 100 });
    await server.start();
    await server.load();
  }, 60_000);
  afterAll(async () => {
    await server.stop('kill');
    await watchdog.close();
    rmSync(home, { recursive: true, force: true });
  });

  function configure(changes: Partial<PostgresqlConfig> = {}): PostgresqlConfig {
    const { program, host, port, user } = server.quiesce;
    return {
      kind: 'postgresql',
      roots: [server.root],
      program: String(program),
      host: String(host),
      port: Number(port),
      user: String(user),
      service: undefined,
      runAs: undefined,
      cgroup: undefined,
      database: 'postgres',
      mode: 'auto',
      backupMsMax: 60_000,
      readyMsMax: 10_000,
      deadlineMs: 10_000,
      ...changes,
    };
  }
  function recipe(changes: Partial<PostgresqlConfig> = {}): QuiesceRecipe {
    return createRecipe(configure(changes), { watchdog, clock: systemClock, log: silentLog });
  }
  function isHeld(): boolean {
    const postmaster = identityOf(server.pid);
    return postmaster !== undefined && processTree(postmaster).every(isStopped);
  }

  test('every process stands while held and goes on after it; facts say where the log was', async () => {
    const held = await recipe().hold(never);
    expect(isHeld()).toBe(true);
    const outcome = await held.release();
    expect(outcome).toMatchObject({ intact: true, releasedBy: 'agent', problems: [] });
    await server.goesOn(3);
    expect(held.facts).toMatchObject({
      dataFolder: server.root,
      inRecovery: false,
      timeline: 1,
      frozen: 'processes',
    });
    expect(held.facts['version']).toMatch(/^\d+\.\d+/);
    expect(held.facts['logPosition']).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    expect(held.facts['systemIdentifier']).toMatch(/^\d{10,}$/);
  });

  test('a killed agent lets it go', async () => {
    const agent = await startHoldingAgent(configure(), { until: 'held' });
    expect(isHeld()).toBe(true);
    await agent.kill();
    await server.goesOn(3);
  });

  test('an agent killed while it stops the processes lets it go', async () => {
    for (let round = 0; round < 3; round += 1) {
      const agent = await startHoldingAgent(configure(), { until: 'started' });
      await vi.waitFor(
        () => {
          expect(isStopped({ pid: server.pid, startTicks: '' })).toBe(true);
        },
        { timeout: 10_000, interval: 1 },
      );
      await agent.kill();
      await server.goesOn(3);
    }
  });

  test('a hold past its deadline is ended by the watchdog', async () => {
    const held = await recipe({ deadlineMs: 500 }).hold(never);
    await server.goesOn(3);
    expect(held.broken.aborted).toBe(true);
    expect(await held.release()).toMatchObject({ intact: false, releasedBy: 'watchdog' });
  });

  test('a deadline before all stand still: nothing stays stopped', async () => {
    await expect(recipe({ deadlineMs: 1 }).hold(never)).rejects.toMatchObject({
      code: 'quiesce-deadline',
    });
    await server.goesOn(3);
  });

  test('a full disk where the watchdog keeps its list does not keep the server held', async (context) => {
    const missing = mountsMissing([]);
    if (missing !== undefined) context.skip(missing);
    const place = join(home, 'full');
    mkdirSync(place);
    const devices = new BlockDevices();
    call('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'none', place]);
    devices.add(place, () => {
      call('umount', [place]);
    });
    try {
      writeFileSync(join(place, 'filler'), Buffer.alloc(4096));
      const armedFile = join(place, 'armed.json');
      const agent = await startHoldingAgent(configure(), { until: 'held', armedFile });
      expect(isHeld()).toBe(true);
      expect(existsSync(armedFile)).toBe(false);
      await agent.kill();
      await server.goesOn(3);
    } finally {
      devices.close();
    }
  });

  test('a part of the cluster outside of the roots is refused by name', async () => {
    const place = join(home, 'elsewhere');
    mkdirSync(place, { mode: 0o700 });
    const { uid, gid } = statSync(server.root);
    chownSync(place, uid, gid);
    await server.sql(`CREATE TABLESPACE faraway LOCATION '${place}'`);
    try {
      await expect(recipe().hold(never)).rejects.toMatchObject({
        code: 'quiesce-failed',
        message: expect.stringContaining(`tablespace faraway: ${place}`) as string,
      });
      const held = await recipe({ roots: [server.root, place] }).hold(never);
      expect((await held.release()).intact).toBe(true);
    } finally {
      await server.sql('DROP TABLESPACE faraway');
    }
    const log = join(server.root, 'pg_wal');
    renameSync(log, join(home, 'log'));
    symlinkSync(join(home, 'log'), log);
    try {
      await expect(recipe().hold(never)).rejects.toThrow(/outside of the set's roots: pg_wal/);
    } finally {
      rmSync(log);
      renameSync(join(home, 'log'), log);
    }
  });

  test('what cannot be reached or is not this cluster is an error that says so', async () => {
    await expect(recipe({ host: home }).hold(never)).rejects.toMatchObject({
      code: 'quiesce-failed',
      message: expect.stringMatching(/connection to server .* failed/) as string,
    });
    await expect(recipe({ program: '/nowhere/psql' }).hold(never)).rejects.toThrow(
      /could not be started/,
    );
    await expect(recipe({ runAs: 'no-such-user' }).hold(never)).rejects.toThrow(/no-such-user/);
    await expect(recipe({ cgroup: home }).hold(never)).rejects.toThrow(/cgroup/);
    await server.goesOn(3);
  });

  test('a server that does not answer is not waited for longer than it may take', async () => {
    process.kill(server.pid, 'SIGSTOP');
    try {
      await expect(recipe({ readyMsMax: 300 }).hold(never)).rejects.toMatchObject({
        code: 'quiesce-failed',
      });
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await server.goesOn(3);
  });

  test('a checkpoint is made before the hold when the last one is old, and not sooner', async () => {
    const newest = (): Promise<string[]> =>
      server.sql('SELECT redo_lsn FROM pg_control_checkpoint()');
    const before = await newest();
    expect(await recipe().prepare?.(never)).toBe('nothing');
    expect(await newest()).toEqual(before);
    // The server reckons ages by its own clock: a search path of ours shows it another one.
    await server.sql(`CREATE SCHEMA later; CREATE FUNCTION later.now() RETURNS timestamptz
      LANGUAGE sql AS 'SELECT pg_catalog.now() + interval ''1 hour'''`);
    await server.sql('ALTER ROLE postgres SET search_path = later, pg_catalog, public');
    try {
      expect(await recipe().prepare?.(never)).toBe('wrote');
    } finally {
      await server.sql('ALTER ROLE postgres RESET search_path');
    }
    expect(await newest()).not.toEqual(before);
    await server.goesOn(3);
  });

  // The last ones: the load ends with the server.
  test('a server killed while held, and another one started meanwhile: the hold is broken', async () => {
    const held = await recipe().hold(never);
    const postmaster = identityOf(server.pid);
    const tree = postmaster === undefined ? [] : processTree(postmaster);
    expect(tree.length).toBeGreaterThan(5);
    for (const { pid } of tree) process.kill(pid, 'SIGKILL');
    await vi.waitFor(() => {
      expect(held.broken.aborted).toBe(true);
    });
    await server.stop('kill');
    const other = postgresql.open(server.root);
    await other.start();
    try {
      expect(await held.release()).toMatchObject({ intact: false });
      await other.check(server.acknowledged);
    } finally {
      await other.stop('kill');
    }
  });

  test('its first process killed while held: the others are let go, to end', async () => {
    const other = await createPostgres(join(home, 'other'), { scale: 1, clients: 1, rate: 50 });
    await other.start();
    try {
      const { host } = other.quiesce;
      const held = await recipe({ roots: [other.root], host: String(host) }).hold(never);
      const postmaster = identityOf(other.pid);
      const tree = postmaster === undefined ? [] : processTree(postmaster);
      process.kill(other.pid, 'SIGKILL');
      await vi.waitFor(() => {
        expect(held.broken.aborted).toBe(true);
      });
      expect(await held.release()).toMatchObject({ intact: false });
      await vi.waitFor(
        () => {
          expect(tree.filter(isAlive)).toEqual([]);
        },
        { timeout: 20_000 },
      );
    } finally {
      await other.stop('kill');
    }
  });
});
