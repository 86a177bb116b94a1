/** A real server with a desk of its own, and requests as callers with this or that token send them. */
import type { Role } from '../../../../shared/api/access.js';
import { problemSchema } from '../../../../shared/api/problem.js';
import type { Clock } from '../../../../shared/clock.js';
import { silentLog } from '../../../../shared/log.js';
import { type AccessDesk, openAccess } from '../../../../replica/access/access-desk.js';
import type { ServerOptions } from '../../../../replica/serve/route-context.js';
import { type ApiServer, createServer } from '../../../../replica/serve/server.js';
import { ServedMemory, TOKEN } from '../../../cli/support/served-memory.js';
import { createHashCore } from '../../../../shared/hash/create-hash-core.js';
import { MemorySet } from '../../support/memory-set.js';

/** A clock that stands until it is moved. */
export class HandClock implements Clock {
  #ms = 1_900_000_000_000;
  now(): number {
    return this.#ms;
  }
  monotonic(): number {
    return this.#ms;
  }
  pass(ms: number): void {
    this.#ms += ms;
  }
}

export interface Asked {
  readonly method?: string;
  readonly token?: string;
  readonly cookie?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export class OpenDoor {
  readonly clock = new HandClock();
  readonly desk: AccessDesk;
  readonly shop: ServedMemory;
  readonly wiki: ServedMemory;
  readonly server: ApiServer;
  url = '';

  constructor(
    options: Partial<ServerOptions> = {},
    kept: { readonly dataFolder?: string; readonly sessionMs?: number } = {},
  ) {
    const { clock } = this;
    const hash = createHashCore();
    this.desk = openAccess({ localToken: TOKEN, log: silentLog, clock, ...kept });
    this.shop = new ServedMemory(new MemorySet('shop', hash));
    this.wiki = new ServedMemory(new MemorySet('wiki', hash));
    for (const { reader } of [this.shop, this.wiki]) {
      reader.cut((tree) => tree.folder('app').file('app/a', 'alpha'));
    }
    this.server = createServer({
      sets: () => [this.shop, this.wiki],
      ...{ token: TOKEN, hash, clock, log: silentLog, version: '1.2.3' },
      access: this.desk,
      tries: { max: 1000, windowMs: 60_000 },
      ...options,
    });
  }

  async start(): Promise<this> {
    this.url = await this.server.listen({ host: '127.0.0.1', port: 0 });
    return this;
  }

  async stop(): Promise<void> {
    await this.server.close();
    this.desk.close();
  }

  tokenOf(role: Role, sets: readonly string[] | null = null): string {
    return this.desk.tokens.create({ name: `a ${role}`, role, sets, validMs: null, by: 'test' })
      .token;
  }

  /** As admin of the data folder unless told otherwise. */
  ask(path: string, { method, token, cookie, headers, body }: Asked = {}): Promise<Response> {
    const authorization = cookie === undefined ? `Bearer ${token ?? TOKEN}` : undefined;
    return fetch(`${this.url}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      redirect: 'manual',
      headers: {
        ...(authorization === undefined || token === '' ? {} : { authorization }),
        ...(cookie === undefined ? {} : { cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Logs in; the cookie as a browser sends it back. */
  async login(token = TOKEN): Promise<string> {
    const answer = await this.ask('/v1/login', { token: '', body: { token } });
    if (answer.status !== 200) throw new Error(`login answered ${answer.status}`);
    return answer.headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';
  }
}

/** The problem's code; the answer has to be one, with its status. */
export async function codeOf(answer: Response): Promise<string> {
  const type = answer.headers.get('content-type') ?? '';
  if (!type.startsWith('application/problem+json')) throw new Error(`${answer.status} ${type}`);
  const { code, status } = problemSchema.parse(await answer.json());
  if (status !== answer.status) throw new Error(`${status} in an answer of ${answer.status}`);
  return code;
}
