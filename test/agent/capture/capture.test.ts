/** Capture sources: what they report of real changes, and what they say of their own limits. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AfterimageError } from '../../../shared/errors.js';
import { silentLog } from '../../../shared/log.js';
import type { CaptureReport, CaptureSource } from '../../../agent/capture/capture-source.js';
import { createChokidarSource } from '../../../agent/capture/chokidar-source.js';
import { createCapture, type CaptureChoice } from '../../../agent/capture/choose-source.js';
import { nestDeep } from '../../support/deep-folders.js';
import { until } from '../support/until.js';

let folder: string;
let root: string;
let source: CaptureSource | undefined;
let seen: CaptureReport[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-capture-'));
  root = join(folder, 'tree');
  mkdirSync(root);
  seen = [];
});
afterEach(async () => {
  await source?.stop();
  // unlike rmSync, rm goes into paths longer than PATH_MAX
  spawnSync('rm', ['-rf', folder]);
});

async function start(choice: Partial<CaptureChoice> = {}): Promise<CaptureSource> {
  source = createCapture({
    source: 'auto',
    roots: [{ name: 'root', path: root }],
    ownFolders: [join(root, 'own')],
    watchFilesMax: 1_000,
    scanEveryMs: 60_000,
    // what the kernel itself reports is tested in fanotify.test.ts
    feedOf: () => {
      throw new AfterimageError('capture-unavailable', 'no feed here');
    },
    log: silentLog,
    ...choice,
  });
  await source.start((report) => void seen.push(report));
  return source;
}

const paths = (): string[] =>
  seen.flatMap((report) => (report.type === 'changed' ? [report.path.toString()] : []));

test('capture: a changed file is reported under its root, what was there before is not', async () => {
  writeFileSync(join(root, 'old'), 'x');
  expect((await start()).name).toBe('chokidar');
  mkdirSync(join(root, 'sub'));
  writeFileSync(join(root, 'sub', 'new'), 'x');
  await until('the file is reported', () => paths().includes('root/sub/new'));
  expect(paths()).not.toContain('root/old');
});

test('capture: the own data folder is not reported', async () => {
  mkdirSync(join(root, 'own'));
  await start();
  writeFileSync(join(root, 'own', 'journal.db'), 'x');
  writeFileSync(join(root, 'after'), 'x');
  await until('the later file is reported', () => paths().includes('root/after'));
  expect(paths().filter((path) => path.startsWith('root/own'))).toEqual([]);
});

test('capture: a name that is not UTF-8 makes its folder be looked at', async () => {
  mkdirSync(join(root, 'sub'));
  await start();
  writeFileSync(Buffer.concat([Buffer.from(join(root, 'sub/')), Buffer.from([0xff])]), 'x');
  await until('the folder is reported', () => paths().includes('root/sub'));
});

test('capture: a tree of more files than may be watched is left to scans, in one line', async () => {
  for (let file = 0; file < 12; file += 1) writeFileSync(join(root, `f${file}`), 'x');
  const lines: string[] = [];
  const log = { ...silentLog, warn: (line: string) => void lines.push(line) };
  const chosen = await start({ watchFilesMax: 10, scanEveryMs: 10, log });
  expect(chosen.name).toBe('scan');
  expect(lines).toEqual(['no feed here; scans find changes']);
  await until('it is time to look', () => seen.some((report) => report.type === 'look'));
});

test('capture: a tree that outgrows what may be watched is a gap and left to scans', async () => {
  const chosen = await start({ watchFilesMax: 20 });
  expect(chosen.name).toBe('chokidar');
  for (let file = 0; file < 40; file += 1) writeFileSync(join(root, `f${file}`), 'x');
  await until('scans take over', () => chosen.name === 'scan');
  expect(seen).toContainEqual({ type: 'gap', reason: 'watcher', covers: Buffer.alloc(0) });
});

test('capture: without the kernel small trees are watched and one line says so', async () => {
  const lines: string[] = [];
  const log = { ...silentLog, warn: (line: string) => void lines.push(line) };
  const chosen = await start({ log });
  expect(chosen.name).toBe('chokidar');
  expect(chosen.drain).toBeUndefined();
  expect(lines).toEqual(['no feed here; each file is watched instead']);
});

test('capture: an operator who asks for the kernel alone gets scans without it', async () => {
  const chosen = await start({ source: 'fanotify' });
  expect(chosen.name).toBe('scan');
  expect(chosen.drain).toBeUndefined();
});

test('capture: a path too long to list is a gap, and other changes are still reported', async () => {
  nestDeep(root, 4200);
  await start();
  expect(seen).toContainEqual({ type: 'gap', reason: 'watcher', covers: Buffer.alloc(0) });
  writeFileSync(join(root, 'new'), 'x');
  await until('the file is reported', () => paths().includes('root/new'));
});

test('capture: a start under way ends when the source is stopped', async () => {
  mkdirSync(join(root, 'sub'));
  const started = createChokidarSource({
    roots: [{ name: 'root', path: root }],
    ownFolders: [],
    filesMax: 10,
    onTooMany: () => undefined,
    log: silentLog,
  });
  const starting = started.start(() => undefined);
  await started.stop();
  await expect(starting).resolves.toBeUndefined();
});
