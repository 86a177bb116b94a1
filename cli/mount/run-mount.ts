/** One mount from beginning to end: the process that serves it does this and nothing else. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { keptLineSchema } from '../../shared/api/nodes.js';
import { pointDetailSchema, pointsSchema } from '../../shared/api/points.js';
import { statusSchema } from '../../shared/api/status.js';
import { AfterimageError } from '../../shared/errors.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import type { Log } from '../../shared/log.js';
import { ApiClient, setPath } from '../api-client.js';
import { attach, detach, ownPrivilege } from './attach.js';
import { BlockStore } from './block-store.js';
import { clear, detachFolders } from './end-mount.js';
import type { SpaceShown } from './fuse-protocol.js';
import { FuseSession } from './fuse-session.js';
import { Holes } from './holes.js';
import { Layout, type MountScope } from './layout.js';
import { readMounts } from './mount-info.js';
import {
  type MountRecord,
  mountRecordSchema,
  MountRecords,
  processStart,
} from './mount-records.js';
import { MountedPoints } from './mounted-points.js';
import { loadMountBinding, type MountBinding } from './native-mount.js';
import { PointContent } from './point-content.js';
import { PointTree } from './point-tree.js';
import { mountOverlay, prepareScratch } from './scratch.js';
import { Reach } from './trouble.js';

/** What a process that mounts is told; JSON. */
export const mountOrderSchema = z.object({
  connection: z.object({ url: z.string(), token: z.string() }),
  scope: mountRecordSchema.shape.scope,
  folder: z.string(),
  records: z.string(),
  /** Absent where nothing can be written. */
  writable: z.object({ scratch: z.string().optional(), keeps: z.boolean() }).optional(),
  /** How long reads wait for a replica that is away, ms. */
  patienceMs: z.number(),
});
export type MountOrder = z.infer<typeof mountOrderSchema>;

/** Blocks that were read, and read ahead. */
const STORE_BYTES = 96 * 1024 * 1024;
/** What the kernel reads ahead of a reader. Only root may say. */
const READAHEAD_KIB = 4096;
const KEPT_RETRY_MS = 2000;

export interface RunningMount {
  readonly record: MountRecord;
  /** Resolves when it is unmounted, by whomever, and everything it left is removed. */
  readonly ended: Promise<void>;
  /** Unmounts, also while it is in use. */
  stop(): Promise<void>;
}

/** Mounts. Throws `mount-unavailable`, `target-not-empty` and what the API answers. */
export async function runMount(order: MountOrder, log: Log): Promise<RunningMount> {
  const binding = loadMountBinding();
  const closing = new AbortController();
  const api = new ApiClient(order.connection, closing.signal);
  const records = new MountRecords(order.records);
  try {
    const space = await findSpace(api, order.scope);
    const madeFolder = prepareFolder(order.folder);
    const record = makeRecord(order, records, madeFolder);
    records.write(record);
    try {
      return await serve({ order, record, records, binding, api, space, log, closing });
    } catch (error) {
      await detachFolders(record, binding, 'lazy');
      clear(record, records);
      throw error;
    }
  } catch (error) {
    closing.abort();
    await api.close();
    throw error;
  }
}

/** An empty folder, made if there is none. True when it was. */
function prepareFolder(folder: string): boolean {
  const made = fs.mkdirSync(folder, { recursive: true }) !== undefined;
  if (fs.readdirSync(folder).length === 0) return made;
  throw new AfterimageError('target-not-empty', `${folder} is not empty`);
}

function makeRecord(order: MountOrder, records: MountRecords, madeFolder: boolean): MountRecord {
  const { scope, folder, writable } = order;
  const scratch = writable === undefined ? null : prepareScratch(scope, writable.scratch);
  const id = `mount-${process.pid}-${randomBytes(3).toString('hex')}`;
  records.prepare();
  return {
    id,
    folder,
    scope,
    url: order.connection.url,
    pid: process.pid,
    pidStarted: processStart(process.pid) ?? '',
    startedMs: Date.now(),
    pointFolder: scratch?.pointFolder ?? folder,
    scratch:
      scratch === null
        ? null
        : { folder: scratch.folder, stays: writable?.keeps === true, isOwn: scratch.isOwn },
    madeFolder,
    log: records.logPath(id),
  };
}

/** What it holds; throws `not-found` when there is no such set or point. */
async function findSpace(api: ApiClient, scope: MountScope): Promise<SpaceShown> {
  switch (scope.type) {
    case 'point':
      return api.json(pointDetailSchema, {
        path: setPath(scope.set, 'points', String(scope.point)),
      });
    case 'set': {
      const path = setPath(scope.set, 'points');
      const { points } = await api.json(pointsSchema, { path, query: { limit: 1 } });
      return points[0] ?? { bytes: 0, files: 0 };
    }
    case 'sets': {
      const { sets } = await api.json(statusSchema, { path: '/v1/status' });
      const of = (what: 'bytes' | 'files'): number =>
        sets.reduce((sum, { newest }) => sum + (newest?.[what] ?? 0), 0);
      return { bytes: of('bytes'), files: of('files') };
    }
  }
}

interface Parts {
  readonly order: MountOrder;
  readonly record: MountRecord;
  readonly records: MountRecords;
  readonly binding: MountBinding;
  readonly api: ApiClient;
  readonly space: SpaceShown;
  readonly log: Log;
  readonly closing: AbortController;
}

async function serve(parts: Parts): Promise<RunningMount> {
  const { order, record, records, binding, api, log, closing } = parts;
  const privilege = ownPrivilege();
  const source = sourceName(order.scope);
  if (record.scratch !== null && privilege === 'user') {
    throw new AfterimageError('mount-unavailable', 'only root can mount a point writable');
  }
  const folder = record.pointFolder;
  const fd = await attach({ binding, privilege, folder, source });
  const session = new FuseSession({
    fd,
    binding,
    log,
    tree: treeOf(parts),
    accessLists: privilege === 'root' ? 'checked' : 'shown',
  });
  const ended = session.ended.then(async () => {
    closing.abort();
    fs.closeSync(fd);
    await api.close();
    // An overlay that lost what it lies on is of no use to anybody.
    await detachFolders(record, binding, 'lazy');
    clear(record, records);
  });
  if (privilege === 'root') raiseReadahead(folder, log);
  if (record.scratch !== null) {
    const scratch = record.scratch.folder;
    await mountOverlay(binding, { scratch, folder: record.folder, source });
    // The overlay holds on to it by itself: whoever unmounts the overlay, by whatever means, ends both.
    await detach({ binding, privilege, folder, manner: 'lazy' });
  }
  if (order.scope.type === 'point') void keepPoint(api, order.scope, { closing, log });
  const stop = async (): Promise<void> => {
    await detachFolders(record, binding, 'lazy');
    session.close();
    await ended;
  };
  return { record, ended, stop };
}

function treeOf({ order, api, space, log }: Parts): MountedPoints {
  const reach = new Reach(order.patienceMs, log);
  const hash = createHashCore();
  const store = new BlockStore(STORE_BYTES);
  return new MountedPoints({
    layout: new Layout(order.scope, api, reach),
    tree: new PointTree(api, reach),
    content: new PointContent({ api, reach, hash, store }),
    holes: new Holes({ api, reach, hash }),
    space,
    overlaid: order.writable === undefined ? 'plain' : 'below-overlay',
  });
}

export function sourceName(scope: MountScope): string {
  switch (scope.type) {
    case 'point':
      return `${scope.set}@${scope.point}`;
    case 'set':
      return scope.set;
    case 'sets':
      return 'afterimage';
  }
}

/** Reads are only slower where it cannot be raised. */
function raiseReadahead(folder: string, log: Log): void {
  const device = readMounts().findLast((mount) => mount.folder === folder)?.device;
  if (device === undefined) return;
  try {
    fs.writeFileSync(join('/sys/class/bdi', device, 'read_ahead_kb'), String(READAHEAD_KIB));
  } catch (error) {
    log.warn('what the kernel reads ahead cannot be raised', { why: String(error) });
  }
}

/** Holds the point against retention; where that fails it can still be read while it is there. */
async function keepPoint(
  api: ApiClient,
  at: { readonly set: string; readonly point: number },
  { closing, log }: { readonly closing: AbortController; readonly log: Log },
): Promise<void> {
  const path = setPath(at.set, 'points', String(at.point), 'kept');
  while (!closing.signal.aborted) {
    try {
      await readThrough(api.lines(keptLineSchema, { path }));
    } catch (error) {
      if (error instanceof AfterimageError && error.code === 'not-found') {
        log.error('the point is gone; what was not read before cannot be read any more', error);
        return;
      }
    }
    await delay(KEPT_RETRY_MS, undefined, { signal: closing.signal }).catch(() => undefined);
  }
}

async function readThrough(lines: AsyncIterator<unknown>): Promise<void> {
  while ((await lines.next()).done !== true);
}
