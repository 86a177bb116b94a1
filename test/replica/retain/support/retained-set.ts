/** A real set with retention over it, whose points are as old as a test says. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { StoredSetReader } from '../../../../replica/history/stored-set-reader.js';
import { Retention } from '../../../../replica/retain/retention.js';
import { RetentionStore } from '../../../../replica/retain/retention-store.js';
import type { ServedSet } from '../../../../replica/serve/served-set.js';
import type { OpenedSet } from '../../../../replica/set-house.js';
import type { Clock } from '../../../../shared/clock.js';
import { silentLog } from '../../../../shared/log.js';
import { RandomHistory } from './random-history.js';

const HOUR_MS = 3600 * 1000;
export const START_MS = Date.UTC(2031, 0, 1);

/** What the wall clock of the replica says is up to the test. */
export class TestClock implements Clock {
  nowMs = START_MS;
  now(): number {
    return this.nowMs;
  }
  monotonic(): number {
    return performance.now();
  }
}

export class RetainedSet {
  readonly clock = new TestClock();
  readonly history: RandomHistory;
  readonly store = new RetentionStore(':memory:');
  readonly retention: Retention;
  readonly audited: string[] = [];
  readonly #root: string;

  private constructor(root: string, seed: number) {
    this.#root = root;
    this.history = new RandomHistory(path.join(root, 'set'), seed);
    this.retention = new Retention({
      sets: () => [this.opened],
      store: this.store,
      clock: this.clock,
      log: silentLog,
      audit: ({ action, subject, detail }) => {
        this.audited.push(`${action} ${subject}: ${detail}`);
      },
    });
  }

  /** Points an hour apart, the first at START_MS; now is right after the last. */
  static async create(points: number, seed = 1): Promise<RetainedSet> {
    const set = new RetainedSet(fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-retain-')), seed);
    await set.history.reopen();
    for (let point = 1; point <= points; point += 1) await set.sync();
    return set;
  }

  get opened(): OpenedSet {
    const { store, writer } = this.history.open;
    const reader = new StoredSetReader(store);
    return { name: 'model', store, writer, reader, scrub: undefined, refusal: null };
  }

  get served(): ServedSet {
    return {
      reader: this.opened.reader,
      activity: () => ({
        agent: null,
        agentConnected: false,
        state: 'idle',
        error: null,
        continuityMs: null,
        behindMs: null,
      }),
      onCommitted: () => ({ unsubscribe: () => undefined }),
      askSync: () => Promise.resolve(),
    };
  }

  get points(): number[] {
    return this.opened.reader.points().map(({ point }) => point);
  }

  /** Cuts a point, an hour after the one before. */
  async sync(): Promise<void> {
    await this.history.sync();
    const point = this.history.newest;
    const timeMs = START_MS + (point - 1) * HOUR_MS;
    this.history.open.store.writer.run(
      'UPDATE point SET time_ms = ? WHERE point = ?',
      timeMs,
      point,
    );
    this.clock.nowMs = timeMs + 1;
  }

  /** The points that are gone leave what is compared, and the others are. */
  async wrongPoints(): Promise<string[]> {
    const { points } = this;
    for (const point of [...this.history.live.keys()]) {
      if (!points.includes(point)) this.history.live.delete(point);
    }
    return this.history.wrongPoints();
  }

  async close(): Promise<void> {
    await this.history.close();
    this.store.close();
    fs.rmSync(this.#root, { recursive: true, force: true });
  }
}
