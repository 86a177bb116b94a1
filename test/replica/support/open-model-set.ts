/** Opens a set for the model, and brings the model to the state of the set's newest point. */
import { systemClock } from '../../../shared/clock.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { SET_NODE } from '../../../shared/protocol/records.js';
import { SetStore } from '../../../replica/history/set-store.js';
import { StoredSetReader } from '../../../replica/history/stored-set-reader.js';
import type { SetEvent } from '../../../replica/receive/set-port.js';
import { SetWriter } from '../../../replica/set-writer.js';
import { Seeded } from '../../support/seeded.js';
import { toFrames } from './model-records.js';
import { type FullCopy, ModelSet } from './model-set.js';

const core = createHashCore();

export interface OpenSet {
  readonly store: SetStore;
  readonly writer: SetWriter;
  readonly close: () => Promise<void>;
}

export async function openModelSet(folder: string): Promise<OpenSet> {
  const store = new SetStore({ set: 'model', folder, core });
  const opening = SetWriter.open({
    store,
    core,
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    admit: () => undefined,
  });
  const writer = await opening.catch((error: unknown) => {
    store.close();
    throw error;
  });
  return {
    store,
    writer,
    close: async () => {
      await writer.close();
      store.close();
    },
  };
}

/** A model whose n-th sync is the same for the same seed, whenever it is asked for. */
export class ModelHistory {
  readonly #model: ModelSet;
  readonly #random: Seeded;
  readonly copies: FullCopy[] = [];

  constructor(seed: number) {
    this.#random = new Seeded(seed);
    this.#model = new ModelSet(this.#random, core);
  }

  /** Frames of the next sync. */
  next(parent: { point: number; chain: Buffer }): Buffer[] {
    this.#model.mutate(this.#random.below(25) + 1);
    const records = this.#model.records(this.copies.length + 1, parent);
    this.#model.committed();
    this.copies.push(this.#model.fullCopy());
    return toFrames(records);
  }
}

/** Sends frames as a new agent process would, and resolves with what became of the sync. */
export async function sendSync(
  writer: SetWriter,
  sync: { readonly boot: string; readonly from: number; readonly frames: readonly Buffer[] },
): Promise<SetEvent> {
  const done = new Promise<SetEvent>((resolve, reject) => {
    const subscription = writer.onEvent((event) => {
      if (event.type === 'stalled') reject(event.error);
      if (event.type !== 'committed' && event.type !== 'refused') return;
      subscription.unsubscribe();
      resolve(event);
    });
  });
  const sending = (async () => {
    for (const [index, body] of sync.frames.entries())
      await writer.stage({ boot: sync.boot.padStart(32, '0'), sequence: sync.from + index, body });
  })();
  // A set that stalls takes no frame until it closes.
  sending.catch(() => undefined);
  await Promise.race([sending, done]);
  return done;
}

/** Everything a point holds, read through the product. */
export async function readPoint(store: SetStore, point: number): Promise<FullCopy> {
  const view = new StoredSetReader(store).open(point);
  const copy: FullCopy = new Map();
  for (const { path, version } of view.walk(SET_NODE)) {
    const parts: Buffer[] = [];
    if (version.kind === 'file') {
      const range = { offset: 0, length: version.size };
      for await (const piece of view.read(version.node, range)) parts.push(Buffer.from(piece));
    }
    copy.set(path.toString('latin1'), {
      node: version.node,
      kind: version.kind,
      mode: version.mode,
      mtimeNs: version.mtimeNs,
      content: Buffer.concat(parts),
      target: version.target.toString('latin1'),
    });
  }
  return copy;
}

/** What differs between a point and its full copy, as text; empty when nothing does. */
export function differences(found: FullCopy, expected: FullCopy): string[] {
  const out: string[] = [];
  for (const name of found.keys()) if (!expected.has(name)) out.push(`${name} should not be`);
  for (const [name, want] of expected) {
    const got = found.get(name);
    if (got === undefined) out.push(`${name} is missing`);
    else if (!got.content.equals(want.content)) out.push(`${name} has other content`);
    else if (
      got.kind !== want.kind ||
      got.mode !== want.mode ||
      got.mtimeNs !== want.mtimeNs ||
      got.target !== want.target ||
      got.node !== want.node
    ) {
      out.push(`${name} has other metadata`);
    }
  }
  return out;
}
