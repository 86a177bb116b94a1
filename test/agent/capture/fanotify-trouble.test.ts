/** What goes wrong with the kernel's reports inside the agent: told, made a gap, and never a spin. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CaptureReport } from '../../../agent/capture/capture-source.js';
import { createFanotifySource } from '../../../agent/capture/fanotify-source.js';
import { createLog } from '../../../shared/log.js';
import type { FeedOptions, FeedReport } from '../../../shared/posix/feed.js';

let root: string;
const seen: CaptureReport[] = [];
const feeds: FeedOptions[] = [];
const lines: string[] = [];
const log = createLog({ level: 'error', write: (line) => lines.push(line) });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'afterimage-feed-'));
  for (const list of [seen, feeds, lines]) list.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(root, { recursive: true });
});

function open(pathsOf?: () => readonly Buffer[]) {
  return createFanotifySource({
    roots: [{ name: 'root', path: root }],
    ownFolders: [],
    pathsOf,
    feedOf: (options) => {
      feeds.push(options);
      const figures = () => ({ events: 0, lookups: 0, cpuNs: 0 });
      return { drain: () => Promise.resolve(), close: () => undefined, figures };
    },
    log,
  });
}

const newest = (report: FeedReport): void => {
  feeds.at(-1)?.onReports([report]);
};

test('fanotify: a file whose names cannot be looked up is a gap, and is told (promise 4)', async () => {
  const source = open(() => {
    throw new Error('disk I/O error');
  });
  await source.start((report) => seen.push(report));
  const { dev } = statSync(root);
  newest({ type: 'elsewhere', file: { dev, ino: 1n, btimeNs: 0n } });
  await source.stop();
  expect(seen).toEqual([{ type: 'gap', reason: 'unclear', covers: Buffer.from('root') }]);
  expect(lines.join('\n')).toContain('disk I/O error');
});

test('fanotify: a feed that breaks each time is opened again more and more rarely', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const source = open();
  await source.start(() => undefined);
  for (let at = 0; at < 600; at += 1) {
    vi.advanceTimersByTime(1_000);
    newest({ type: 'failed', message: 'it broke' });
  }
  await source.stop();
  expect(feeds.length).toBeGreaterThan(5);
  expect(feeds.length).toBeLessThan(30);
});
