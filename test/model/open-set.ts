/** Opens a set as the replica does, and sends it syncs as an agent would. */
import { systemClock } from '../../shared/clock.js';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { type Log, silentLog } from '../../shared/log.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { SetStore } from '../../replica/history/set-store.js';
import type { SetEvent } from '../../replica/receive/set-port.js';
import { SetWriter } from '../../replica/set-writer.js';

export const core = createHashCore();

export interface OpenSet {
  readonly store: SetStore;
  readonly writer: SetWriter;
  readonly close: () => Promise<void>;
}

export interface ModelSetOptions {
  readonly log?: Log;
  /** Bytes received between two flushes. */
  readonly flushBytes?: number;
}

export async function openModelSet(
  folder: string,
  options: ModelSetOptions = {},
): Promise<OpenSet> {
  const store = new SetStore({ set: 'model', folder, core });
  try {
    const writer = await SetWriter.open({
      store,
      core,
      posix: loadPosix(),
      clock: systemClock,
      log: silentLog,
      admit: () => undefined,
      ...options,
    });
    return {
      store,
      writer,
      close: async () => {
        await writer.close();
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error;
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
