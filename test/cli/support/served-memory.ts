/** A real server over a set in memory, and the command line run against it. */
import { EventEmitter } from 'node:events';
import { ApiClient } from '../../../cli/api-client.js';
import type { Io } from '../../../cli/io.js';
import { runCommandLine } from '../../../cli/program.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import type { PointSummary } from '../../../replica/history/set-reader.js';
import type { ListedRoute } from '../../../replica/serve/list-routes.js';
import type { ServedSet, SetActivity } from '../../../replica/serve/served-set.js';
import type { ServerOptions } from '../../../replica/serve/route-context.js';
import { type ApiServer, createServer } from '../../../replica/serve/server.js';
import { MemorySet } from '../../replica/support/memory-set.js';

export const TOKEN = 'x'.repeat(43);

export class ServedMemory implements ServedSet {
  readonly reader: MemorySet;
  readonly #events = new EventEmitter();
  /** What the agent does when it is asked for a sync. */
  onAsk: (request: string) => Promise<void> = () => Promise.resolve();
  now: SetActivity = {
    agent: 'app-1',
    agentConnected: true,
    state: 'idle',
    error: null,
    continuityMs: 3_600_000,
    behindMs: 0,
  };

  constructor(reader: MemorySet) {
    this.reader = reader;
  }

  activity(): SetActivity {
    return this.now;
  }

  onCommitted(listener: (point: PointSummary) => void): { unsubscribe(): void } {
    this.#events.on('committed', listener);
    return { unsubscribe: () => this.#events.off('committed', listener) };
  }

  get listeners(): number {
    return this.#events.listenerCount('committed');
  }

  askSync(request: string): Promise<void> {
    return this.onAsk(request);
  }

  /** Cuts a point that answers these requests for a sync. */
  commit(...requests: readonly string[]): void {
    this.reader.cut(() => undefined);
    this.answer(...requests);
  }

  /** Tells that the newest point answers these requests. */
  answer(...requests: readonly string[]): void {
    const summary = this.reader.newest();
    if (summary === undefined) throw new Error('there is no point');
    this.#events.emit('committed', { ...summary, outcome: { ...summary.outcome, requests } });
  }
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly bytes: Buffer;
  readonly err: string;
}

export class TestReplica {
  readonly hash = createHashCore();
  readonly set = new MemorySet('shop', this.hash);
  readonly served = new ServedMemory(this.set);
  url = '';
  #server: ApiServer | undefined;

  async start(options: Partial<ServerOptions> = {}): Promise<void> {
    this.#server = createServer({
      sets: () => [this.served],
      token: TOKEN,
      hash: this.hash,
      clock: systemClock,
      log: silentLog,
      version: '1.2.3',
      ...options,
    });
    this.url = await this.#server.listen({ host: '127.0.0.1', port: 0 });
  }

  /** What the server has routes for, once it is started. */
  get routes(): readonly ListedRoute[] {
    return this.#server?.routes ?? [];
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }

  client(signal: AbortSignal = new AbortController().signal): ApiClient {
    return new ApiClient({ url: this.url, token: TOKEN }, signal);
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${TOKEN}`);
    return fetch(`${this.url}${path}`, { ...init, headers });
  }

  /** Runs the command line; the exit code and what it printed. */
  async run(argv: readonly string[], io: Partial<Io> = {}): Promise<Outcome> {
    const out: Buffer[] = [];
    let err = '';
    const code = await runCommandLine(argv, {
      env: { AFTERIMAGE_URL: this.url, AFTERIMAGE_TOKEN: TOKEN },
      folder: '/',
      out: (text) => {
        out.push(Buffer.from(text));
        return Promise.resolve();
      },
      err: (text) => {
        err += text;
      },
      outClosed: false,
      errIsTerminal: false,
      columns: 100,
      signal: new AbortController().signal,
      ...io,
    });
    const bytes = Buffer.concat(out);
    return { code, out: bytes.toString(), bytes, err };
  }
}
