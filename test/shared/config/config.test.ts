/** Configuration: every key by its error, its default and its place in the reference. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { agentConfigSchema, parseAgentConfig } from '../../../shared/config/agent-config.js';
import { configKeys, nearestKey } from '../../../shared/config/config-keys.js';
import { parseReplicaConfig, replicaConfigSchema } from '../../../shared/config/replica-config.js';
import { AfterimageError } from '../../../shared/errors.js';

const reference = readFileSync(
  fileURLToPath(new URL('../../../docs/reference/config.md', import.meta.url)),
  'utf8',
);

function agentError(text: string): string {
  return errorOf(() => parseAgentConfig({ path: 'agent.yaml', text }));
}

function replicaError(text: string): string {
  return errorOf(() => parseReplicaConfig({ path: 'replica.yaml', text }));
}

function errorOf(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    if (error instanceof AfterimageError && error.code === 'config-invalid') return error.message;
    throw error;
  }
  return 'no error';
}

const set = (rest: string): string => `data_folder: d
sets:
  - name: web
    roots: [/srv/web]
    ${rest}
`;

test.each([
  ['sets: [{name: web, roots: [/a]}]', '1: data_folder: is missing; expected text'],
  ['data_folder: d', '1: sets: is missing; expected a list'],
  ['data_folder: d\nsets: []', '2: sets: found [], expected at least 1 entry'],
  [
    'data_folder: d\nlog_level: loud\nsets: [{name: w, roots: [/a]}]',
    '2: log_level: found "loud", expected "debug", "info", "warn", "error"',
  ],
  [
    'data_folder: d\nwindow_bytes_max: 1 GB\nsets: [{name: w, roots: [/a]}]',
    '2: window_bytes_max: found "1 GB", expected a number of bytes',
  ],
  [
    'data_folder: d\nspool_bytes_max: 5\nsets: [{name: w, roots: [/a]}]',
    '2: spool_bytes_max: found 5, expected a number of bytes such as 1048576 or 64 MiB of at least 16777216 bytes',
  ],
  [
    'data_folder: d\ndedup_bytes_max: yes\nsets: [{name: w, roots: [/a]}]',
    '2: dedup_bytes_max: found "yes"',
  ],
  [
    'data_folder: d\nbroker: 4222\nsets: [{name: w, roots: [/a]}]',
    '2: broker: found 4222, expected text',
  ],
  [
    'data_folder: d\nenrolment: [x]\nsets: [{name: w, roots: [/a]}]',
    '2: enrolment: found ["x"], expected text',
  ],
  ['data_folder: [d\n', '2: not YAML:'],
  [
    'data_foldr: d\nsets: [{name: w, roots: [/a]}]',
    '1: data_foldr: unknown key; did you mean data_folder?',
  ],
  [
    'data_folder: d\nsets:\n  - name: Web\n    roots: [/a]',
    '3: sets[0].name: found "Web", expected 1 to 64 of',
  ],
  [
    'data_folder: d\nsets:\n  - name: w\n    roots: []',
    '4: sets[0].roots: found [], expected at least 1 entry',
  ],
  [
    'data_folder: d\nsets:\n  - name: w\n    roots: [srv]',
    '4: sets[0].roots[0]: found "srv", expected an absolute path',
  ],
  [
    'data_folder: d\nsets:\n  - name: w\n    roots:\n      - {path: /a, nam: b}',
    '5: sets[0].roots[0].nam: unknown key; did you mean name?',
  ],
  [
    'data_folder: d\nsets:\n  - name: w\n    roots:\n      - {path: /a, name: b/c}',
    '5: sets[0].roots[0].name: found "b/c"',
  ],
  [
    'data_folder: d\nsets:\n  - name: w\n    roots: [/a/x, /b/x]',
    '4: sets[0].roots[1]: found "/b/x", expected a root whose name is not x',
  ],
  [
    'data_folder: d\nsets:\n  - name: w\n    roots: [/a, /a/b]',
    '4: sets[0].roots[1]: found "/a/b", expected a root that does not overlap /a',
  ],
  [
    'data_folder: d\nsets:\n  - {name: w, roots: [/a]}\n  - {name: w, roots: [/b]}',
    '4: sets[1].name: found "w", expected a name no other set has',
  ],
  [set('exclude: "*.tmp"'), '5: sets[0].exclude: found "*.tmp", expected a list'],
  [set('include: [5]'), '5: sets[0].include[0]: found 5, expected text'],
  [
    set('schedule: hourly'),
    '5: sets[0].schedule: found "hourly", expected "continuous" or keys with values',
  ],
  [
    set('schedule: {every: soon}'),
    '5: sets[0].schedule.every: found "soon", expected a duration such as',
  ],
  [
    set('schedule: {every: 10ms}'),
    '5: sets[0].schedule.every: found "10ms", expected a duration such as 500ms, 30s or 15m of at least 1000 ms',
  ],
  [
    set('schedule: {cron: "* *"}'),
    '5: sets[0].schedule.cron: found "* *", expected a cron pattern',
  ],
  [
    set('quiesce: {recipe: postgres}'),
    '5: sets[0].quiesce.recipe: found "postgres", expected none, hooks, sqlite, cgroup, postgresql, mariadb or redis',
  ],
  [set('quiesce: {recipe: hooks}'), '5: sets[0].quiesce.folder: is missing; expected text'],
  [
    set('quiesce: {recipe: hooks, folder: /h, dedline: 5s}'),
    '5: sets[0].quiesce.dedline: unknown key; did you mean deadline?',
  ],
  [
    set('quiesce: {recipe: hooks, folder: /h, hook_timeout: 0s}'),
    '5: sets[0].quiesce.hook_timeout: found "0s"',
  ],
  [
    set('quiesce: {recipe: sqlite, databases: []}'),
    '5: sets[0].quiesce.databases: found [], expected at least 1 entry',
  ],
  [
    set('quiesce: {recipe: sqlite, databases: [/d], busy_timeout: 9}'),
    '5: sets[0].quiesce.busy_timeout: found 9, expected text',
  ],
  [
    set('quiesce: {recipe: postgresql, database: "shop host=elsewhere"}'),
    '5: sets[0].quiesce.database: found "shop host=elsewhere", expected the name of a database, not a connection string',
  ],
  [
    set('quiesce: {recipe: postgresql, database: "postgresql://elsewhere"}'),
    '5: sets[0].quiesce.database: found "postgresql://elsewhere", expected the name of a database',
  ],
  [
    set('quiesce: {recipe: postgresql, mode: freeze}'),
    '5: sets[0].quiesce.mode: found "freeze", expected "auto", "stop", "backup"',
  ],
  [
    set('quiesce: {recipe: cgroup, folder: x}'),
    '5: sets[0].quiesce.folder: found "x", expected an absolute path',
  ],
  [
    set('quiesce: {recipe: cgroup, folder: /x, deadline: 2h}'),
    '5: sets[0].quiesce.deadline: found "2h", expected a duration',
  ],
  [
    set('capture: {source: inotify}'),
    '5: sets[0].capture.source: found "inotify", expected "auto", "fanotify", "chokidar", "scan"',
  ],
  [
    set('capture: {watch_files_max: -1}'),
    '5: sets[0].capture.watch_files_max: found -1, expected at least 0',
  ],
  [set('capture: {scan_every: 1}'), '5: sets[0].capture.scan_every: found 1, expected text'],
  [set('rounds_max: 0'), '5: sets[0].rounds_max: found 0, expected at least 1'],
])('config: an agent file that is wrong says where and how: %j', (text, message) => {
  expect(agentError(text)).toContain(`agent.yaml:${message}`);
});

test.each([
  ['listen: here', '1: listen: found "here", expected host:port'],
  [
    'data_folder: d\nlisten: 127.0.0.1:99999',
    '2: listen: found "127.0.0.1:99999", expected host:port',
  ],
  ['data_folder: d\nlog_level: 3', '2: log_level: found 3, expected'],
  ['data_folder: d\nbroker: nats', '2: broker: found "nats", expected keys with values'],
  ['data_folder: d\nbroker: {url: 5}', '2: broker.url: found 5, expected text'],
  [
    'data_folder: d\nbroker: {url: "nats://x", seed_fil: y}',
    '2: broker.seed_fil: unknown key; did you mean seed_file?',
  ],
  ['data_folder: d\nbroker: {listen: x}', '2: broker.listen: found "x", expected host:port'],
  ['data_folder: d\nbroker: {seed_file: x}', '2: broker.seed_file: found "x", expected broker.url'],
  ['data_folder: d\nbroker: {url: x, binary: y}', '2: broker.binary: found "y", expected nothing'],
  ['data_folder: d\nbroker: {tls_key_file: x}', '2: broker.tls_key_file: found "x", expected tls_'],
  ['data_folder: d\ntenant: A', '2: tenant: found "A", expected 1 to 64'],
  [
    'data_folder: d\nrestore_roots: [x]',
    '2: restore_roots[0]: found "x", expected an absolute path',
  ],
  ['data_folder: d\nquotas: {set_bytes_max: many}', '2: quotas.set_bytes_max: found "many"'],
  ['data_folder: d\nquotas: {free_bytes_min: -1}', '2: quotas.free_bytes_min: found -1'],
  ['data_folder: d\nquota: {}', '2: quota: unknown key; did you mean quotas?'],
])('config: a replica file that is wrong says where and how: %j', (text, message) => {
  expect(replicaError(text)).toContain(`replica.yaml:${message}`);
});

test('config: everything that is wrong is said at once, in the order of lines', () => {
  const said = agentError('log_level: x\nwindow_bytes_max: y\nsets: z\n').split('\n');
  expect(said.map((line) => line.split(':')[1])).toEqual(['1', '1', '2', '3']);
});

test('config: relative paths are relative to the file, sizes and times have units', () => {
  const config = parseAgentConfig({
    path: '/etc/afterimage/agent.yaml',
    text: 'data_folder: data\nenrolment: ./web.json\nspool_bytes_max: 1.5 GiB\nsets:\n  - name: web\n    roots: [/srv/web/, {path: /, name: all}]\n    schedule: {every: 15m}\n'.replace(
      ', {path: /, name: all}',
      '',
    ),
  });
  expect(config).toMatchObject({
    dataFolder: '/etc/afterimage/data',
    enrolment: '/etc/afterimage/web.json',
    spoolBytesMax: 1.5 * 2 ** 30,
    sets: [{ roots: [{ name: 'web', path: '/srv/web' }], schedule: { everyMs: 900_000 } }],
  });
});

test('config: the file system itself as a root has a name', () => {
  const config = parseAgentConfig({
    path: 'a',
    text: 'data_folder: d\nsets: [{name: all, roots: [/]}]',
  });
  expect(config.sets[0]?.roots).toEqual([{ name: 'root', path: '/' }]);
});

test('config: a mistyped key finds the nearest, a strange one finds none', () => {
  expect(nearestKey('dataFolder', ['data_folder', 'sets'])).toBe('data_folder');
  expect(nearestKey('watch-files', ['watch_files_max', 'source'])).toBe('watch_files_max');
  expect(nearestKey('colour', ['data_folder', 'sets'])).toBeUndefined();
});

/** The rows of the key table under a heading: key → its other cells. */
function table(heading: string): Map<string, string[]> {
  const section = reference.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  const rows = new Map<string, string[]>();
  for (const line of section.split('\n')) {
    const cells = /^\| `([^`]+)` *\|(.*)\|$/.exec(line);
    if (cells?.[1] !== undefined)
      rows.set(
        cells[1],
        (cells[2] ?? '').split('|').map((cell) => cell.trim()),
      );
  }
  return rows;
}

/** The YAML example under a heading. */
function example(heading: string): string {
  const section = reference.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return /```yaml\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
}

test.each([
  ['Agent', agentConfigSchema],
  ['Replica', replicaConfigSchema],
])('config: the reference lists exactly the keys of the %s schema', (heading, schema) => {
  const rows = table(heading);
  expect([...rows.keys()].sort()).toEqual(configKeys(schema).sort());
  for (const [key, cells] of rows) {
    expect(cells, key).toHaveLength(3);
    expect(
      cells.every((cell) => cell !== ''),
      key,
    ).toBe(true);
  }
});

test("config: the reference's examples are valid and use every key", () => {
  const agent = example('Agent');
  const replica = example('Replica');
  parseAgentConfig({ path: 'agent.yaml', text: agent });
  parseReplicaConfig({ path: 'replica.yaml', text: replica });
  const lastOf = (key: string): string => key.split(/[.\]]/).at(-1) ?? key;
  for (const key of configKeys(agentConfigSchema)) expect(agent).toContain(lastOf(key));
  for (const key of configKeys(replicaConfigSchema)) expect(replica).toContain(lastOf(key));
});

test("config: the reference's defaults are the schema's", () => {
  const agent = parseAgentConfig({
    path: 'a',
    text: 'data_folder: d\nsets: [{name: w, roots: [/a]}]',
  });
  const rows = table('Agent');
  const defaultOf = (key: string): string | undefined => rows.get(key)?.[1];
  expect(defaultOf('log_level')).toBe(`\`${agent.logLevel}\``);
  expect(defaultOf('window_bytes_max')).toBe(`\`${agent.windowBytesMax / 2 ** 20} MiB\``);
  expect(defaultOf('spool_bytes_max')).toBe(`\`${agent.spoolBytesMax / 2 ** 30} GiB\``);
  expect(defaultOf('dedup_bytes_max')).toBe(`\`${agent.dedupBytesMax / 2 ** 20} MiB\``);
  const [set] = agent.sets;
  expect(defaultOf('sets[].schedule')).toBe(`\`${set?.schedule.type ?? ''}\``);
  expect(defaultOf('sets[].rounds_max')).toBe(`\`${set?.roundsMax ?? 0}\``);
  expect(defaultOf('sets[].capture.source')).toBe(`\`${set?.capture.source ?? ''}\``);
  expect(defaultOf('sets[].capture.watch_files_max')).toBe(
    `\`${set?.capture.watchFilesMax ?? 0}\``,
  );
  expect(defaultOf('sets[].capture.scan_every')).toBe(
    `\`${(set?.capture.scanEveryMs ?? 0) / 1000}s\``,
  );
});
