/**
 * What the kernel's reports cost: how soon they come, what an event takes of the agent's processor
 * time, and how much more of it a writer needs. Rounds with a feed and without alternate; writers are
 * processes of their own, on ext4 that lies in memory, so that no disk hides the difference.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type Feed, openFeed, whyNoFeed } from '../../shared/posix/feed.js';
import type { Figure } from '../figure.js';
import type { RunOptions } from '../run-options.js';
import { summarise } from '../summary.js';
import { onGround } from './ground.js';

/** At scale 1. */
const TREE_FILES = 500_000;
const FOLDER_FILES = 1_000;
const CREATES = 40_000;
const WRITES = 200_000;
const WRITERS_BYTES = 2 * 1024 ** 3;
const WRITES_BYTES = 64 * 1024 * 1024;

export interface FeedOptions extends RunOptions {
  /** A folder in memory; filled and left empty. */
  readonly folder: string;
}

/** Creates files of 2 KiB below the folder of its first argument; prints its processor time for each, ns. */
const creator = `
const fs = require('node:fs');
const [top, count] = [process.argv[1], Number(process.argv[2])];
for (let n = 0; n * 1000 < count; n += 1) fs.mkdirSync(top + '/d' + n, { recursive: true });
const content = Buffer.alloc(2048, 1);
const start = process.cpuUsage();
for (let n = 0; n < count; n += 1) {
  const fd = fs.openSync(top + '/d' + Math.floor(n / 1000) + '/f' + n, 'w');
  fs.writeSync(fd, content);
  fs.closeSync(fd);
}
const { user, system } = process.cpuUsage(start);
console.log(((user + system) * 1000) / count);`;

/** Overwrites pages of a file that exists; prints its processor time for each, ns. */
const writer = `
const fs = require('node:fs');
const [file, count, bytes] = [process.argv[1], Number(process.argv[2]), Number(process.argv[3])];
const fd = fs.openSync(file, 'r+');
const page = Buffer.alloc(4096, 1);
const pages = bytes / 4096;
const start = process.cpuUsage();
for (let n = 0; n < count; n += 1) fs.writeSync(fd, page, 0, 4096, ((n * 7919) % pages) * 4096);
const { user, system } = process.cpuUsage(start);
console.log(((user + system) * 1000) / count);
fs.closeSync(fd);`;

/** Undefined with a reason on standard error when the kernel does not report to this process. */
export async function measureFeed(options: FeedOptions): Promise<Figure[] | undefined> {
  const why = process.getuid?.() === 0 ? whyNoFeed() : 'not run as root';
  if (why !== undefined) {
    process.stderr.write(`the kernel's reports are left out: ${why}\n`);
    return undefined;
  }
  const room = { folder: options.folder, bytes: WRITERS_BYTES };
  return await onGround('ext4', room, async ({ mount }) => {
    const writers = { ...options, folder: mount };
    const creates = await measureCreates(writers);
    return [
      ready(options),
      summarise({ name: 'event_cpu_us', unit: 'µs', rounds: creates.cpuUs }),
      summarise(
        { name: 'create_slowdown_ratio', unit: '×', rounds: creates.ratios },
        { against: 'no feed', atMost: 1.12 },
      ),
      summarise(
        { name: 'pwrite_slowdown_ns', unit: 'ns', rounds: await measureWrites(writers) },
        { against: 'no feed' },
      ),
    ];
  });
}

/** From nothing to reported changes, beside a tree of half a million files. */
function ready({ folder, rounds, scale }: FeedOptions): Figure {
  const files = Math.max(1, Math.round(TREE_FILES * scale));
  const tree = path.join(folder, 'tree');
  makeTree(tree, files);
  const taken: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    const feed = follow(tree);
    taken.push(performance.now() - start);
    feed.close();
  }
  fs.rmSync(tree, { recursive: true });
  const name = files === TREE_FILES ? 'feed_ready_ms_500k' : `feed_ready_ms_${files}`;
  return summarise({ name, unit: 'ms', rounds: taken }, { atMost: 5 });
}

/** The first round of each kind warms up and does not count. */
async function measureCreates({
  folder,
  rounds,
  scale,
}: FeedOptions): Promise<{ readonly cpuUs: number[]; readonly ratios: number[] }> {
  const count = Math.max(1_000, Math.round(CREATES * scale));
  const cpuUs: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const tree = path.join(folder, `creates-${round}`);
    const plain = await runChild(creator, [path.join(tree, 'plain'), String(count)]);
    fs.mkdirSync(path.join(tree, 'followed'), { recursive: true });
    const feed = follow(path.join(tree, 'followed'));
    const followed = await runChild(creator, [path.join(tree, 'followed'), String(count)]);
    await feed.drain();
    const { cpuNs, events } = feed.figures();
    feed.close();
    fs.rmSync(tree, { recursive: true });
    if (round === 0) continue;
    cpuUs.push(cpuNs / events / 1000);
    ratios.push(followed / plain);
  }
  return { cpuUs, ratios };
}

async function measureWrites({ folder, rounds, scale }: FeedOptions): Promise<number[]> {
  const count = Math.max(1_000, Math.round(WRITES * scale));
  const file = path.join(folder, 'pages');
  fs.writeFileSync(file, Buffer.alloc(WRITES_BYTES));
  const slower: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const args = [file, String(count), String(WRITES_BYTES)];
    const plain = await runChild(writer, args);
    const feed = follow(folder);
    const followed = await runChild(writer, args);
    await feed.drain();
    feed.close();
    if (round > 0) slower.push(followed - plain);
  }
  fs.rmSync(file);
  return slower;
}

function follow(root: string): Feed {
  const fd = fs.openSync(root, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    return openFeed({
      roots: [{ name: 'root', path: root, fd, markFd: fd }],
      ownFolders: [],
      onReports: () => undefined,
    });
  } finally {
    fs.closeSync(fd);
  }
}

function makeTree(folder: string, files: number): void {
  for (let made = 0; made < files; made += FOLDER_FILES) {
    const below = path.join(folder, `d${made}`);
    fs.mkdirSync(below, { recursive: true });
    for (let at = made; at < Math.min(files, made + FOLDER_FILES); at += 1) {
      fs.closeSync(fs.openSync(path.join(below, `f${at}`), 'w'));
    }
  }
}

/** The number that a script prints. */
async function runChild(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, ['-e', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  const { exitCode: code } = child;
  if (code !== 0) throw new Error('a writer of the benchmark failed');
  return Number(printed);
}
