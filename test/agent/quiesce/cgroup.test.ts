/** Needs root and a writable control group hierarchy with a freezer; says why when it skips. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createRecipe } from '../../../agent/quiesce/create-recipe.js';
import type { CgroupConfig, QuiesceRecipe } from '../../../agent/quiesce/recipe.js';
import { startWatchdog } from '../../../agent/quiesce/watchdog-client.js';
import type { Watchdog } from '../../../agent/quiesce/watchdog-client.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { startHoldingAgent } from './holding-agent.js';

const never = new AbortController().signal;

/** A mounted hierarchy where a group can be made that has `control`, or why there is none. */
function findHierarchy(type: string, option: string, control: string): string | Error {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const mount = mounts
    .map((line) => line.split(' '))
    .find(([, , fsType, options]) => fsType === type && options?.split(',').includes(option));
  const folder = mount?.[1];
  if (folder === undefined) return new Error(`no ${type} hierarchy is mounted`);
  const probe = join(folder, `afterimage-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    const there = existsSync(join(probe, control));
    rmdirSync(probe);
    return there ? folder : new Error(`${folder} has no ${control}`);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const hierarchies = [
  {
    version: 1,
    state: 'freezer.state',
    found: findHierarchy('cgroup', 'freezer', 'freezer.state'),
  },
  { version: 2, state: 'cgroup.freeze', found: findHierarchy('cgroup2', 'rw', 'cgroup.freeze') },
];

/** A process that rewrites a counter file without pause. */
class Counter {
  readonly child: ChildProcess;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    const script = `
      const { writeFileSync, renameSync } = require('node:fs');
      const path = process.argv[1];
      let n = 0;
      setInterval(() => { writeFileSync(path + '.new', String(n++)); renameSync(path + '.new', path); }, 1);`;
    this.child = spawn(process.execPath, ['-e', script, path], { stdio: 'ignore' });
  }

  get value(): number {
    return existsSync(this.#path) ? Number(readFileSync(this.#path, 'utf8')) : 0;
  }

  async goesOn(): Promise<void> {
    const before = this.value;
    await vi.waitFor(
      () => {
        expect(this.value).toBeGreaterThan(before + 10);
      },
      { timeout: 10_000, interval: 5 },
    );
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

for (const { version, state, found } of hierarchies) {
  if (found instanceof Error) console.warn(`cgroup v${version} not tested: ${found.message}`);
  const hierarchy = found instanceof Error ? '' : found;

  describe.skipIf(found instanceof Error)(`cgroup, version ${version}`, () => {
    let watchdog: Watchdog;
    let root: string;
    let group: string;
    let application: Counter;
    let bystander: Counter;

    beforeAll(async () => {
      watchdog = await startWatchdog({ log: silentLog });
    });
    afterAll(async () => {
      await watchdog.close();
    });
    beforeEach(async () => {
      root = mkdtempSync(join(tmpdir(), 'afterimage-cgroup-'));
      group = join(hierarchy, `afterimage-test-${process.pid}`);
      mkdirSync(group);
      application = new Counter(join(root, 'application'));
      bystander = new Counter(join(root, 'bystander'));
      writeFileSync(join(group, 'cgroup.procs'), String(application.child.pid));
      await Promise.all([application.goesOn(), bystander.goesOn()]);
    });
    afterEach(async () => {
      writeFileSync(join(group, state), version === 1 ? 'THAWED' : '0');
      await Promise.all([application.stop(), bystander.stop()]);
      await vi.waitFor(() => {
        rmdirSync(group);
      });
      rmSync(root, { recursive: true, force: true });
    });

    function configure(limits: Partial<CgroupConfig> = {}): CgroupConfig {
      return { kind: 'cgroup', folder: group, deadlineMs: 20_000, ...limits };
    }
    function recipe(limits: Partial<CgroupConfig> = {}): QuiesceRecipe {
      return createRecipe(configure(limits), { watchdog, clock: systemClock, log: silentLog });
    }

    test('nothing in the group runs while held, everything goes on after it', async () => {
      const held = await recipe().hold(never);
      const before = application.value;
      await bystander.goesOn();
      expect(application.value).toBe(before);
      expect(held.facts).toMatchObject({ kind: 'cgroup', version, processes: 1 });
      const outcome = await held.release();
      expect(outcome).toMatchObject({ intact: true, releasedBy: 'agent', problems: [] });
      await application.goesOn();
    });

    test('a hold past its deadline is thawed by the watchdog', async () => {
      const held = await recipe({ deadlineMs: 300 }).hold(never);
      await application.goesOn();
      const outcome = await held.release();
      expect(outcome).toMatchObject({ intact: false, releasedBy: 'watchdog' });
      expect(held.broken.aborted).toBe(true);
    });

    test('a group that somebody else thawed was not held to the end', async () => {
      const held = await recipe().hold(never);
      writeFileSync(join(group, state), version === 1 ? 'THAWED' : '0');
      await application.goesOn();
      expect(await held.release()).toMatchObject({ intact: false, releasedBy: 'agent' });
    });

    test('a group that was found frozen stays frozen', async () => {
      const first = await recipe().hold(never);
      const second = await recipe().hold(never);
      await second.release();
      const before = application.value;
      await bystander.goesOn();
      expect(application.value).toBe(before);
      await first.release();
      await application.goesOn();
    });

    test('a killed agent thaws (promise 6)', async () => {
      const agent = await startHoldingAgent(configure(), { until: 'held' });
      const before = application.value;
      await bystander.goesOn();
      expect(application.value).toBe(before);
      await agent.kill();
      await application.goesOn();
    });

    test('a group that holds the agent itself is refused', async () => {
      const self = join(group, 'below');
      mkdirSync(self);
      const procs = (name: string): string => join(name, 'cgroup.procs');
      const home = ownGroup();
      writeFileSync(procs(self), String(process.pid));
      try {
        await expect(recipe().hold(never)).rejects.toMatchObject({
          code: 'quiesce-failed',
          message: expect.stringMatching(/holds the agent itself/) as string,
        });
      } finally {
        writeFileSync(procs(home), String(process.pid));
        rmdirSync(self);
      }
      await application.goesOn();
    });

    function ownGroup(): string {
      const pattern = version === 1 ? /^\d+:freezer:(.*)$/m : /^0::(.*)$/m;
      const line = pattern.exec(readFileSync('/proc/self/cgroup', 'utf8'));
      return join(hierarchy, line?.[1] ?? '/');
    }
  });
}

test('cgroup: a folder that is no control group is an error', async () => {
  const watchdog = await startWatchdog({ log: silentLog });
  try {
    const config = { kind: 'cgroup', folder: tmpdir(), deadlineMs: 1_000 } as const;
    const recipe = createRecipe(config, { watchdog, clock: systemClock, log: silentLog });
    await expect(recipe.hold(never)).rejects.toMatchObject({ code: 'quiesce-failed' });
  } finally {
    await watchdog.close();
  }
});
