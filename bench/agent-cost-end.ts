/**
 * One first copy of a folder by the agent alone: everything up to the sealed frame, which nobody
 * takes. Run as a process of its own by agent-cost.ts; prints what it cost as one line of JSON.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DedupIndex } from '../agent/dedup/dedup-index.js';
import { createRoundsEngine } from '../agent/image/rounds-engine.js';
import { Journal } from '../agent/journal/journal.js';
import { PathFilter } from '../agent/plan/path-filter.js';
import { syncSet } from '../agent/pipeline.js';
import { FrameBuilder } from '../agent/ship/frame-builder.js';
import type { SessionEvent, SetSession } from '../agent/ship/session.js';
import { AgentState } from '../agent/state.js';
import { BlockMeter } from '../agent/workers/block-meter.js';
import { createWorkshop } from '../agent/workers/create-workshop.js';
import { systemClock } from '../shared/clock.js';
import { createHashCore } from '../shared/hash/create-hash-core.js';
import { DIGEST_BYTES } from '../shared/limits.js';
import { silentLog } from '../shared/log.js';
import { loadPosix } from '../shared/posix/load-posix.js';
import { syncOutcomeSchema } from '../shared/protocol/sync-outcome.js';
import { SealingKey } from '../shared/seal/sealing-key.js';

/** What one first copy cost. */
export interface AgentCost {
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Longest stretch in which the event loop did nothing else. */
  readonly blockMs: number;
  readonly rssMib: number;
  /** Of content. */
  readonly bytesRead: number;
  readonly wireBytes: number;
  readonly frames: number;
  readonly records: number;
  /** Of all records: two copies that say the same have the same. */
  readonly manifest: string;
}

/** Seals every frame and forgets it; a sync is committed when its `end` was written. */
class Sink {
  readonly set = 'cost';
  readonly live = true;
  sentBytes = 0;
  frames = 0;
  records = 0;
  manifest = '';
  bytesRead = 0;
  readonly #seal = new SealingKey(randomBytes(32), '0000000000000001');
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  readonly #builder = new FrameBuilder((frame) => {
    this.frames += 1;
    const sealed = this.#seal.seal({
      ...{ type: 'records', sequence: this.frames, restart: false },
      ...frame,
    });
    this.sentBytes += sealed.bytes.length;
    this.#builder.recycle(frame.body);
  });

  write(record: Parameters<SetSession['write']>[0]): Promise<void> | undefined {
    this.#builder.add(record);
    this.records += 1;
    if (record.type !== 'end') return undefined;
    this.#builder.cut();
    this.bytesRead = syncOutcomeSchema.parse(
      JSON.parse(Buffer.from(record.outcome).toString()),
    ).counts.bytesRead;
    this.manifest = this.#builder.manifestDigest(undefined).toString('hex');
    const chain = createHash('sha256').digest();
    for (const listener of [...this.#listeners])
      listener({ type: 'committed', sync: record.sync, point: 1, chain, timeMs: 1 });
    return undefined;
  }

  flush(): void {
    this.#builder.cut();
  }
  hold(): void {
    this.flush();
  }
  drop(): void {
    this.#builder.discard();
  }
  manifestDigest(end?: Parameters<SetSession['manifestDigest']>[0]): Buffer {
    return this.#builder.manifestDigest(end);
  }
  has(digests: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(digests.length / DIGEST_BYTES));
  }
  onEvent(listener: (event: SessionEvent) => void): { unsubscribe(): void } {
    this.#listeners.add(listener);
    return { unsubscribe: () => void this.#listeners.delete(listener) };
  }
}

async function copyOnce(root: string, workers: number): Promise<AgentCost> {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-agent-cost-'));
  const state = new AgentState(join(folder, 'state.db'));
  const journal = new Journal({ path: join(folder, 'journal.db'), clock: systemClock });
  const sink = new Sink();
  const posix = loadPosix();
  const work = createWorkshop({ workers, createCore: createHashCore, posix, log: silentLog });
  const set = {
    name: 'cost',
    roots: [{ name: 'root', path: root }],
    roundsMax: 3,
    state,
    journal,
    session: sink as unknown as SetSession,
    posix,
    core: createHashCore(),
    work,
    meter: new BlockMeter(),
    index: new DedupIndex(state, { memoryBytesMax: 64 * 1024 * 1024 }),
    filter: new PathFilter({ include: [], exclude: [] }),
    engine: createRoundsEngine(),
    recipe: () => ({
      name: 'none',
      consistency: 'crash' as const,
      hold: () => Promise.reject(new Error('nothing is held here')),
    }),
    ownFolders: [],
    clock: systemClock,
    log: silentLog,
    sayOnce: () => undefined,
  };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const { signal } = new AbortController();
  await syncSet(set, { operation: 'first', always: false, signal });
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  delay.disable();
  await work.close();
  state.close();
  journal.close();
  rmSync(folder, { recursive: true });
  return {
    cpuMs: (user + system) / 1000,
    wallMs,
    blockMs: delay.max / 1e6,
    rssMib: process.resourceUsage().maxRSS / 1024,
    bytesRead: sink.bytesRead,
    wireBytes: sink.sentBytes,
    frames: sink.frames,
    records: sink.records,
    manifest: sink.manifest,
  };
}

const [, , root, workers = '0'] = process.argv;
if (root !== undefined)
  process.stdout.write(`${JSON.stringify(await copyOnce(root, Number(workers)))}\n`);
