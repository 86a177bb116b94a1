import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { JobJson, JobResult } from '../../../shared/api/jobs.js';
import { systemClock } from '../../../shared/clock.js';
import { AfterimageError } from '../../../shared/errors.js';
import { silentLog } from '../../../shared/log.js';
import { EventHub } from '../../../replica/jobs/event-hub.js';
import { JobDesk, type JobDeskDeps } from '../../../replica/jobs/job-desk.js';
import {
  type AfterInterruption,
  type JobContext,
  jobKind,
} from '../../../replica/jobs/job-kind.js';
import { JobStore, LOG_LINES_MAX } from '../../../replica/jobs/job-store.js';

let folder: string;
let store: JobStore;
let desk: JobDesk;
let hub: EventHub;
/** Jobs that run, and how to end each. */
let running: Running[];

interface Running {
  readonly context: JobContext<{ readonly n: number }>;
  readonly end: (counts?: Readonly<Record<string, number>>) => void;
  readonly fail: (error: Error) => void;
}

const schema = z.object({ n: z.number().default(1) });

function resultOf(counts: Readonly<Record<string, number>> = {}): JobResult {
  return { text: 'all done', counts: { ...counts }, troubles: [], troubleCount: 0, notes: [] };
}

function kind(
  name: 'verify' | 'restore' | 'prune' | 'scrub',
  of: { readonly effect?: 'reads' | 'changes'; readonly after?: AfterInterruption } = {},
) {
  return jobKind({
    kind: name,
    schema,
    role: 'operator',
    about: 'set',
    effect: of.effect ?? 'reads',
    afterInterruption: of.after ?? 'goes-on',
    run: (context) =>
      new Promise<JobResult>((resolve, reject) => {
        running.push({
          context,
          end: (counts) => {
            resolve(resultOf(counts));
          },
          fail: reject,
        });
        context.signal.addEventListener('abort', () => {
          reject(new AfterimageError('cancelled', 'the work was cancelled'));
        });
      }),
  });
}

const kinds = [
  kind('verify'),
  kind('restore'),
  kind('prune', { effect: 'changes', after: 'begins-again' }),
  kind('scrub', { after: 'stays' }),
];

function open(more: Partial<JobDeskDeps> = {}): void {
  store = new JobStore(join(folder, 'catalog.db'));
  hub = new EventHub();
  desk = new JobDesk({ store, hub, clock: systemClock, log: silentLog, kinds, ...more });
  desk.start();
}

async function reopen(more: Partial<JobDeskDeps> = {}): Promise<void> {
  await desk.close();
  store.close();
  running = [];
  open(more);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'afterimage-jobs-'));
  running = [];
  open();
});

afterEach(async () => {
  await desk.close();
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

function begin(name: JobJson['kind'] = 'verify', set = 'shop'): JobJson {
  return desk.begin({ kind: name, set, by: 'anna', request: { n: 3 } });
}

async function state(id: string, wanted: JobJson['state']): Promise<JobJson> {
  await expect.poll(() => desk.get(id).state).toBe(wanted);
  return desk.get(id);
}

function runningOf(id: string): Running {
  const found = running.find(({ context }) => context.id === id);
  if (found === undefined) throw new Error(`${id} does not run`);
  return found;
}

describe('a job', () => {
  it('that ends: keeps what was asked, by whom, how far it came and what became of it', async () => {
    const { id } = begin();
    const { context, end } = runningOf(id);
    expect(context.request).toEqual({ n: 3 });
    context.progress({ step: 'reading', bytes: 10, bytesTotal: 40, files: 1, filesTotal: 4 });
    context.say('half way');
    end({ found: 2 });
    const done = await state(id, 'done');
    expect(done).toMatchObject({
      kind: 'verify',
      set: 'shop',
      by: 'anna',
      request: { n: 3 },
      attempt: 1,
      progress: { step: 'reading', bytes: 10, bytesTotal: 40, files: 1, leftMs: null },
      message: 'all done',
      result: { counts: { found: 2 } },
      problem: null,
      canCancel: false,
      canResume: false,
    });
    const { lines } = desk.log(id, { after: 0, limit: 10 });
    expect(lines.map(({ text }) => text)).toEqual(['half way', 'all done']);
    await reopen();
    expect(desk.get(id)).toEqual(done);
  });

  it('that fails: says why as a problem, and can be resumed', async () => {
    const { id } = begin();
    runningOf(id).fail(new AfterimageError('storage-full', 'no room', { facts: { set: 'shop' } }));
    const failed = await state(id, 'failed');
    expect(failed.problem).toMatchObject({ code: 'storage-full', facts: { set: 'shop' } });
    expect(desk.resume(id, 'anna')).toMatchObject({ state: 'running', attempt: 2, problem: null });
  });

  it('that is not understood: is refused while its asker waits', () => {
    const ask = { kind: 'verify' as const, set: 'shop', by: 'anna' };
    expect(() => desk.begin({ ...ask, request: { n: 'x' } })).toThrow(
      expect.objectContaining({ code: 'argument-invalid' }),
    );
    expect(() => desk.begin({ ...ask, kind: 'export', request: {} })).toThrow(
      expect.objectContaining({ code: 'argument-invalid' }),
    );
    expect(desk.list({ sets: null, limit: 10 }).jobs).toEqual([]);
  });

  it('that is cancelled while it runs, or waits: is cancelled and says by whom', async () => {
    const first = begin('prune');
    const second = begin('prune');
    expect(second.state).toBe('queued');
    desk.cancel(second.id, 'ben');
    expect(desk.get(second.id)).toMatchObject({ state: 'cancelled', startedMs: null });
    expect(desk.cancel(first.id, 'ben')).toMatchObject({ canCancel: false });
    const cancelled = await state(first.id, 'cancelled');
    expect(cancelled.problem).toMatchObject({ code: 'cancelled', detail: 'cancelled by ben' });
    expect(() => desk.cancel(first.id, 'ben')).toThrow(
      expect.objectContaining({ code: 'job-state' }),
    );
  });

  it('that nobody knows: is not found', () => {
    for (const id of ['job-9', 'job-0']) {
      expect(() => desk.get(id)).toThrow(expect.objectContaining({ code: 'not-found' }));
    }
    expect(() => desk.get('9')).toThrow(expect.objectContaining({ code: 'argument-invalid' }));
  });
});

describe('jobs beside each other', () => {
  it('those that change the same set: run one after the other, others do not wait', async () => {
    const first = begin('prune');
    const same = begin('prune');
    const other = begin('prune', 'mail');
    const reads = begin('restore');
    expect([same, other, reads].map((job) => job.state)).toEqual(['queued', 'running', 'running']);
    runningOf(first.id).end();
    await state(same.id, 'running');
  });

  it('restores: do not wait for verifications (the worst day)', () => {
    const jobs = [1, 2, 3].map((at) => begin('verify', `set${at}`));
    expect(jobs.map((job) => job.state)).toEqual(['running', 'running', 'queued']);
    expect(begin('restore').state).toBe('running');
  });
});

describe('after the end of the replica (promise 10)', () => {
  it('what goes on: has what it saved, and counts the attempt', async () => {
    const { id } = begin();
    const { context } = runningOf(id);
    context.progress({ bytes: 100 });
    context.save({ through: 7 });
    await reopen();
    expect(await state(id, 'running')).toMatchObject({ attempt: 2, progress: { bytes: 100 } });
    expect(runningOf(id).context.saved).toEqual({ through: 7 });
  });

  it('killed: what goes on is begun again, what stays is interrupted and can be resumed', async () => {
    const goes = begin('verify');
    const stays = begin('scrub');
    // Nobody closes a process that is killed.
    const killed = { desk, store };
    running = [];
    open();
    expect(await state(goes.id, 'running')).toMatchObject({ attempt: 2 });
    const interrupted = desk.get(stays.id);
    expect(interrupted).toMatchObject({ state: 'interrupted', canResume: true });
    expect(interrupted.message).toMatch(/^interrupted by the end of the replica/);
    expect(desk.resume(stays.id, 'anna').state).toBe('running');
    killed.store.close();
  });

  it('a job that ends with the replica again and again: is not begun by itself for ever', async () => {
    const { id } = begin();
    const killed: JobStore[] = [];
    for (let each = 1; each < 5; each += 1) {
      killed.push(store);
      open();
      await state(id, 'running');
    }
    killed.push(store);
    open();
    expect(desk.get(id)).toMatchObject({ state: 'interrupted', attempt: 5 });
    for (const each of killed) each.close();
  });

  it('what waited: still waits, in the same order', async () => {
    const jobs = [1, 2, 3, 4].map((at) => begin('verify', `set${at}`));
    await reopen();
    expect(jobs.map(({ id }) => desk.get(id).state)).toEqual([
      'running',
      'running',
      'queued',
      'queued',
    ]);
  });
});

describe('the history', () => {
  it('is bounded by count and age, and jobs under way stay', async () => {
    const bounds = { endedMax: 3, syncsPerSetMax: 2, ageMsMax: 1000 };
    const under = begin();
    for (let each = 0; each < 6; each += 1) {
      const { id } = begin('restore');
      runningOf(id).end();
      await state(id, 'done');
    }
    const clock = { ...systemClock, now: () => Date.now() };
    await reopen({ bounds: { ...bounds, ageMsMax: 1e9 }, clock });
    const kept = desk.list({ sets: null, limit: 100 }).jobs;
    expect(kept.map(({ id }) => id)).toEqual(['job-7', 'job-6', 'job-5', under.id]);
    await reopen({ bounds, clock: { ...systemClock, now: () => Date.now() + 10_000 } });
    expect(desk.list({ sets: null, limit: 100 }).jobs.map(({ id }) => id)).toEqual([under.id]);
    // Numbers are never given out again.
    expect(begin('restore').id).toBe('job-8');
  });

  it('of a log: is bounded, says how much went, and keeps the newest', () => {
    const { id } = begin();
    for (let each = 1; each <= LOG_LINES_MAX + 50; each += 1)
      runningOf(id).context.log(`line ${each}`);
    const { dropped, lines, next } = desk.log(id, { after: 0, limit: 2 });
    expect([dropped, lines.map(({ text }) => text), next]).toEqual([
      50,
      ['line 51', 'line 52'],
      52,
    ]);
  });

  it('is listed newest first, by set, state and kind, a page at a time, and as the asker may see it', async () => {
    const ids = ['shop', 'mail', 'shop'].map((set) => begin('restore', set).id);
    runningOf(ids[0] ?? '').end();
    await state(ids[0] ?? '', 'done');
    const list = (query: object): string[] =>
      desk.list({ sets: null, limit: 10, ...query }).jobs.map(({ id }) => id);
    expect(list({})).toEqual(['job-3', 'job-2', 'job-1']);
    expect(list({ set: 'shop', state: ['running'] })).toEqual(['job-3']);
    expect(list({ sets: ['mail'] })).toEqual(['job-2']);
    expect(list({ kind: ['verify'] })).toEqual([]);
    const page = desk.list({ sets: null, limit: 2 });
    expect([page.jobs.length, page.next]).toEqual([2, 'job-2']);
    expect(list({ before: page.next ?? '' })).toEqual(['job-1']);
  });
});

describe('what listeners hear', () => {
  it('a job that says much: is told about four times a second, and its end at once', async () => {
    const heard: JobJson[] = [];
    hub.listen({
      deliver: (bytes) => {
        for (const [, data] of bytes.toString().matchAll(/^data: (.*)$/gm)) {
          heard.push(JSON.parse(data ?? '') as JobJson);
        }
      },
    });
    const { id } = begin();
    const started = performance.now();
    for (let bytes = 1; performance.now() - started < 600; bytes += 1) {
      runningOf(id).context.progress({ bytes });
      if (bytes % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    runningOf(id).end();
    await state(id, 'done');
    await expect.poll(() => heard.at(-1)?.state).toBe('done');
    expect(heard.length).toBeLessThanOrEqual(6);
    expect(heard.length).toBeGreaterThanOrEqual(3);
  });
});
