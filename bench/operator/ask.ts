/** Asks an HTTP server over one connection, as a browser does, and takes the time. */
import { Agent, type IncomingMessage, request } from 'node:http';
import { AfterimageError } from '../../shared/errors.js';

export interface Asked {
  readonly status: number;
  readonly body: Buffer;
  /** Until the first byte of the answer's body, and until the last, ms. */
  readonly firstByteMs: number;
  readonly ms: number;
}

export class Asker {
  readonly #url: string;
  readonly #token: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(at: { readonly url: string; readonly token: string }) {
    this.#url = at.url;
    this.#token = at.token;
  }

  /** Throws `mismatch` when the answer is none. @param body makes it a POST */
  async ask(path: string, body?: object): Promise<Asked> {
    const startMs = performance.now();
    const answer = await this.#send(path, body);
    const parts: Buffer[] = [];
    let firstByteMs = NaN;
    for await (const part of answer) {
      if (parts.length === 0) firstByteMs = performance.now() - startMs;
      parts.push(part as Buffer);
    }
    const asked = {
      ...{ status: answer.statusCode ?? 0, body: Buffer.concat(parts) },
      ...{ firstByteMs, ms: performance.now() - startMs },
    };
    if (asked.status < 300) return asked;
    throw new AfterimageError('mismatch', `${path}: ${asked.status} ${asked.body.toString()}`);
  }

  async json(path: string, body?: object): Promise<Asked & { readonly json: unknown }> {
    const asked = await this.ask(path, body);
    return { ...asked, json: JSON.parse(asked.body.toString()) as unknown };
  }

  /** Until the first byte of a body; the rest is not waited for. */
  async firstByte(path: string): Promise<number> {
    const startMs = performance.now();
    const answer = await this.#send(path);
    return await new Promise((resolve, reject) => {
      answer.once('error', reject).once('data', () => {
        resolve(performance.now() - startMs);
        answer.destroy();
      });
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(path: string, body?: object): Promise<IncomingMessage> {
    const headers = { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, headers, method: body === undefined ? 'GET' : 'POST' };
      request(`${this.#url}${path}`, options, resolve)
        .once('error', reject)
        .end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
