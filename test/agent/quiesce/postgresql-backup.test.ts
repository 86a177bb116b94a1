/**
 * A real PostgreSQL in its backup mode: what it answers, and that nothing stays behind in it whatever
 * becomes of the agent (promise 6). Points made of it: test/applications.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import type { PostgresqlConfig, RunningBackup } from '../../../agent/quiesce/recipe.js';
import { startWatchdog, type Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { createPostgres, postgresql, type Postgres } from '../../applications/postgresql-server.js';

const why = postgresql.missing();
if (why !== undefined) console.warn(`PostgreSQL's backup mode is not tested: ${why}`);
const never = new AbortController().signal;

describe.skipIf(why !== undefined)('postgresql in backup mode', () => {
  let home: string;
  let server: Postgres;
  let watchdog: Watchdog;

  beforeAll(async () => {
    watchdog = await startWatchdog({ log: silentLog });
    home = mkdtempSync(join(tmpdir(), 'afterimage-postgresql-'));
    chmodSync(home, 0o711);
    server = await createPostgres(join(home, 'data'));
    await server.start();
  }, 60_000);
  afterAll(async () => {
    await server.stop('kill');
    await watchdog.close();
    rmSync(home, { recursive: true, force: true });
  });

  function begin(changes: Partial<PostgresqlConfig> = {}): Promise<RunningBackup> {
    const { program, host, port } = server.quiesce;
    const config: PostgresqlConfig = {
      kind: 'postgresql',
      mode: 'backup',
      backupMsMax: 60_000,
      roots: [server.root],
      program: String(program),
      host: String(host),
      port: Number(port),
      user: 'postgres',
      service: undefined,
      runAs: undefined,
      cgroup: undefined,
      database: 'postgres',
      readyMsMax: 20_000,
      deadlineMs: 100,
      ...changes,
    };
    const recipe = createRecipe(config, { watchdog, clock: systemClock, log: silentLog });
    if (recipe.backup === undefined) throw new Error('it has no backup mode');
    return recipe.backup.begin(never);
  }
  const slots = async (): Promise<string> =>
    (await server.sql('SELECT count(*) FROM pg_replication_slots')).join();

  test('the server goes on, keeps its log, and answers the label at the end; then it keeps nothing', async () => {
    const backup = await begin();
    expect(await slots()).toBe('1');
    await server.sql('CREATE TABLE meanwhile (n int)');
    expect(await backup.release()).toMatchObject({ intact: true, problems: [] });
    const { files, logs } = backup.end();
    expect(files.map(({ name, folder }) => `${folder}/${name}`)).toEqual([
      `${server.root}/backup_label`,
    ]);
    expect(files[0]?.content.toString()).toMatch(/^START WAL LOCATION: .*\n/);
    expect(logs).toEqual([join(server.root, 'pg_wal')]);
    expect(await slots()).toBe('1');
    expect(await backup.close()).toBeUndefined();
    await vi.waitFor(async () => {
      expect(await slots()).toBe('0');
    });
  }, 60_000);

  test('one past its deadline is ended by the watchdog, and leaves nothing in the server', async () => {
    const backup = await begin({ backupMsMax: 1_000 });
    await vi.waitFor(
      async () => {
        expect(backup.broken.aborted).toBe(true);
        expect(await slots()).toBe('0');
      },
      { timeout: 20_000 },
    );
    expect(await backup.release()).toMatchObject({ intact: false });
    expect(() => backup.end()).toThrow('was not ended');
  }, 60_000);

  test('without the right to keep the log, a log file that was removed meanwhile is found out', async () => {
    await server.sql(`CREATE ROLE plain LOGIN IN ROLE pg_monitor;
      GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean) TO plain;
      GRANT EXECUTE ON FUNCTION pg_backup_stop(boolean) TO plain`);
    const whole = await begin({ user: 'plain' });
    expect(whole.facts).toMatchObject({ logKept: false });
    await whole.release();
    expect(await whole.close()).toBeUndefined();
    const backup = await begin({ user: 'plain' });
    await server.sql('CREATE TABLE more AS SELECT 1 AS n; SELECT pg_switch_wal()');
    await server.sql('INSERT INTO more VALUES (2)');
    expect(await backup.release()).toMatchObject({ intact: true });
    await server.sql('CHECKPOINT');
    expect(await backup.close()).toMatch(/removed its log file [0-9A-F]{24}/);
  }, 60_000);

  test('what the environment of the agent says of a server is not what it asks', async () => {
    vi.stubEnv('PGOPTIONS', '--no-such-setting=1');
    vi.stubEnv('PGSERVICE', 'nowhere');
    try {
      const backup = await begin();
      expect(await backup.release()).toMatchObject({ intact: true });
      await backup.close();
    } finally {
      vi.unstubAllEnvs();
    }
  }, 60_000);

  test('a name that is a connection string is the name of no database', async () => {
    await expect(begin({ database: `postgres host=${home}` })).rejects.toMatchObject({
      code: 'quiesce-failed',
      message: expect.stringContaining('does not exist') as string,
    });
  });
});
