/** Serves made sets by HTTP, as the replica does; a process of its own that operator.ts starts. */
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { systemClock } from '../../shared/clock.js';
import { silentLog } from '../../shared/log.js';
import { SetStore } from '../../replica/history/set-store.js';
import { StoredSetReader } from '../../replica/history/stored-set-reader.js';
import { Retention } from '../../replica/retain/retention.js';
import { RetentionStore } from '../../replica/retain/retention-store.js';
import { createServer } from '../../replica/serve/server.js';
import type { OpenedSet } from '../../replica/set-house.js';

/** Argument: JSON of this. Prints the URL on a line when it listens. */
export interface ServeTask {
  readonly token: string;
  /** Name of each set, and its folder. */
  readonly sets: Readonly<Record<string, string>>;
}

const { token, sets } = JSON.parse(process.argv[2] ?? '') as ServeTask;
const core = createHashCore();
const opened = Object.entries(sets).map(([set, folder]) => {
  const store = new SetStore({ set, folder, core });
  return { store, reader: new StoredSetReader(store) };
});
const retention = new Retention({
  // Nothing is written: a trial of a policy needs no writer.
  sets: () => opened.map((each) => ({ name: each.store.set, ...each }) as unknown as OpenedSet),
  store: new RetentionStore(':memory:'),
  clock: systemClock,
  log: silentLog,
  audit: () => undefined,
});
const server = createServer({
  sets: () =>
    opened.map(({ reader }) => ({
      reader,
      activity: () => ({
        ...{ agent: 'app-1', agentConnected: true, state: 'idle', error: null },
        ...{ continuityMs: null, behindMs: null },
      }),
      onCommitted: () => ({ unsubscribe: () => undefined }),
      askSync: () => Promise.resolve(),
    })),
  ...{ token, retention, hash: core, clock: systemClock, log: silentLog, version: 'bench' },
});
process.stdout.write(`${await server.listen({ host: '127.0.0.1', port: 0 })}\n`);
