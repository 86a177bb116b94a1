/**
 * Behind a source that reports everything in order a set looks at what was reported, and a survey
 * finds what was not (promise 4, R17).
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../shared/clock.js';
import { parseAgentConfig } from '../../../shared/config/agent-config.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { runAgent, type RunningAgent } from '../../../agent/agent.js';
import type { CaptureReport, CaptureSource } from '../../../agent/capture/capture-source.js';
import { FakeSession } from '../support/fake-session.js';
import { differences } from '../support/tree-compare.js';
import { until } from '../support/until.js';

/** Reports what a test tells it to. */
class ToldSource implements CaptureSource {
  readonly name = 'told';
  drains = 0;
  drain: (() => Promise<void>) | undefined = () => {
    this.drains += 1;
    for (const seen of this.waiting.splice(0)) this.report(seen);
    return Promise.resolve();
  };
  /** Reported by the next drain. */
  readonly waiting: CaptureReport[] = [];
  report: (seen: CaptureReport) => void = () => undefined;

  start(report: (seen: CaptureReport) => void): Promise<void> {
    this.report = report;
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

let folder: string;
let root: string;
let session: FakeSession;
let source: ToldSource;
let agent: RunningAgent;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-agent-'));
  root = join(folder, 'tree');
  mkdirSync(join(root, 'a'), { recursive: true });
  mkdirSync(join(root, 'b'));
  for (const name of ['a', 'b']) writeFileSync(join(root, name, 'file'), 'old');
  session = new FakeSession(createHashCore());
  source = new ToldSource();
  const text = `data_folder: ${join(folder, 'data')}\nsets:\n  - {name: one, roots: [${root}]}\n`;
  agent = runAgent(parseAgentConfig({ path: join(folder, 'agent.yaml'), text }), {
    openSession: () => session,
    recipeOf: () => ({
      name: 'none',
      consistency: 'crash',
      hold: () => Promise.reject(new Error()),
    }),
    posix: loadPosix(),
    createCore: () => createHashCore(),
    clock: systemClock,
    log: silentLog,
    captureOf: () => source,
  });
  await until('all is settled', () => isTree() && gaps() === 0 && paths() === 0);
});
afterEach(async () => {
  await agent.stop();
  rmSync(folder, { recursive: true });
});

const isTree = (): boolean => differences(session.replica.state, { tree: root }).length === 0;
const gaps = (): number | undefined => agent.status().sets[0]?.journal.gaps.length;
const paths = (): number | undefined => agent.status().sets[0]?.journal.paths;
const scanAgeMs = (): number | undefined => session.replica.outcome?.scanAgeMs;
const changed = (path: string): void => {
  source.report({ type: 'changed', path: Buffer.from(path) });
};

test('lookout: only what is reported is looked at, and the point tells how old the last whole look is', async () => {
  const { point } = session.replica;
  for (const name of ['a', 'b']) writeFileSync(join(root, name, 'file'), 'new');
  changed('tree/a/file');
  await until('a point of it', () => session.replica.point > point);
  expect(source.drains).toBeGreaterThan(0);
  expect(scanAgeMs()).toBeGreaterThan(0);
  const left = differences(session.replica.state, { tree: root });
  expect(left.every((line) => line.includes('/b/file'))).toBe(true);
  expect(left.length).toBeGreaterThan(0);
});

test('lookout: a survey finds what raised no event', async () => {
  writeFileSync(join(root, 'b', 'file'), 'new');
  renameSync(join(root, 'a', 'file'), join(root, 'a', 'moved'));
  source.report({ type: 'look' });
  await until('it is in a point', isTree);
  expect(scanAgeMs()).toBeGreaterThan(0);
});

test('lookout: what is reported while a sync begins is in that sync', async () => {
  writeFileSync(join(root, 'a', 'file'), 'new');
  writeFileSync(join(root, 'b', 'file'), 'new');
  source.waiting.push({ type: 'changed', path: Buffer.from('tree/b/file') });
  const { point } = session.replica;
  changed('tree/a/file');
  await until('a point', () => session.replica.point > point);
  expect(session.replica.point).toBe(point + 1);
  expect(isTree()).toBe(true);
});

test.each([
  [
    'a gap',
    () => {
      source.report({ type: 'gap', reason: 'watcher', covers: Buffer.alloc(0) });
    },
  ],
  [
    'an operator',
    () => {
      session.emit({ type: 'sync-asked', request: 'r' });
    },
  ],
  [
    'a source that is not ordered any more',
    () => {
      source.drain = undefined;
      changed('tree/a/file');
    },
  ],
])('lookout: everything is looked at after %s', async (_, ask) => {
  writeFileSync(join(root, 'b', 'file'), 'new');
  ask();
  await until('it is in a point', isTree);
  expect(scanAgeMs()).toBe(0);
});

test('lookout: everything is looked at after a sync that failed', async () => {
  writeFileSync(join(root, 'a', 'file'), 'new');
  writeFileSync(join(root, 'b', 'file'), 'new');
  session.breakAfter = 0;
  changed('tree/a/file');
  await until('both are in a point', isTree);
  expect(scanAgeMs()).toBe(0);
});

test('lookout: what the replica asks for while everything is looked at is looked for by the sync after it', async () => {
  const { point } = session.replica;
  const files = [...session.replica.state.nodes].filter(([, { record }]) => record.size > 0);
  let asked = false;
  session.flush = () => {
    if (asked) return;
    asked = true;
    session.emit({ type: 'wanted', blocks: files.map(([node]) => ({ node, block: 0 })) });
  };
  session.emit({ type: 'sync-asked', request: 'r' });
  await until('another point', () => session.replica.point === point + 2);
  expect(session.replica.counts.block).toBeGreaterThan(0);
});
