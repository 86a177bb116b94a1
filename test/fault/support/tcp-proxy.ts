/**
 * A TCP connection that goes wrong: between client and server it cuts, stalls, delays, closes one
 * direction only, or damages bytes, when it is told to.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Seeded } from '../../support/seeded.js';

export type Trouble = 'cut' | 'stall' | 'delay' | 'half-close' | 'damage';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class TcpProxy {
  readonly #random: Seeded;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #delayMs = 0;
  /** Chunks of this many are damaged in one byte. */
  #damageOneIn = 0;
  #stalled = false;
  connections = 0;

  private constructor(target: { readonly host: string; readonly port: number }, random: Seeded) {
    this.#target = target;
    this.#random = random;
    this.#server = createServer((client) => {
      this.#join(client);
    });
  }

  static async start(
    target: { readonly host: string; readonly port: number },
    random: Seeded,
  ): Promise<TcpProxy> {
    const proxy = new TcpProxy(target, random);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Troubles every connection there is; `stall`, `delay` and `damage` last until `heal`. */
  make(trouble: Trouble): void {
    switch (trouble) {
      case 'cut':
        for (const { client, server } of this.#pairs) {
          client.destroy();
          server.destroy();
        }
        return;
      case 'half-close':
        for (const { client, server } of this.#pairs) {
          if (this.#random.chance(0.5)) client.end();
          else server.end();
        }
        return;
      case 'stall':
        this.#stalled = true;
        for (const { client, server } of this.#pairs) {
          client.pause();
          server.pause();
        }
        return;
      case 'delay':
        this.#delayMs = 30;
        return;
      case 'damage':
        this.#damageOneIn = 20;
    }
  }

  heal(): void {
    this.#delayMs = 0;
    this.#damageOneIn = 0;
    this.#stalled = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  async close(): Promise<void> {
    this.make('cut');
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #join(client: Socket): void {
    this.connections += 1;
    const server = createConnection({ ...this.#target, allowHalfOpen: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    this.#carry(client, server);
    this.#carry(server, client);
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on('error', end);
      socket.on('close', end);
      if (this.#stalled) socket.pause();
    }
  }

  #carry(from: Socket, to: Socket): void {
    from.on('data', (bytes: Buffer) => {
      const sent = this.#altered(bytes);
      if (this.#delayMs === 0) to.write(sent);
      else
        setTimeout(() => {
          to.write(sent);
        }, this.#delayMs);
    });
    from.on('end', () => to.end());
  }

  #altered(bytes: Buffer): Buffer {
    if (this.#damageOneIn === 0 || this.#random.below(this.#damageOneIn) > 0) return bytes;
    const copy = Buffer.from(bytes);
    const at = this.#random.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << this.#random.below(8));
    return copy;
  }
}
