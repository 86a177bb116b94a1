import http from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventSchemas, type EventName } from '../../../shared/api/events.js';
import { TOKEN } from '../../cli/support/served-memory.js';
import { ServedJobs } from '../jobs/served-jobs.js';

let replica: ServedJobs;
const streams: EventReader[] = [];

beforeEach(async () => {
  replica = new ServedJobs();
  replica.set.cut((tree) => tree.folder('app').file('app/a', 'alpha'));
  await replica.start();
});

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await replica.stop();
});

interface Heard {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** A client of the stream, as a browser's EventSource reads it. */
class EventReader {
  readonly heard: Heard[] = [];
  status = 0;
  ended = false;
  lastId = '';
  readonly #request: http.ClientRequest;
  #response: http.IncomingMessage | undefined;
  #text = '';

  constructor(query = '', headers: Record<string, string> = {}) {
    streams.push(this);
    this.#request = http.get(
      `${replica.url}/v1/events${query}`,
      { headers: { authorization: `Bearer ${TOKEN}`, ...headers }, agent: false },
      (response) => {
        this.#response = response;
        this.status = response.statusCode ?? 0;
        response.on('data', (bytes: Buffer) => {
          this.#take(bytes.toString());
        });
        response.on('close', () => {
          this.ended = true;
        });
      },
    );
    this.#request.on('error', () => {
      this.ended = true;
    });
  }

  names(): string[] {
    return this.heard.map(({ event }) => event);
  }

  sets(): unknown[] {
    return this.heard.flatMap(({ event, data }) =>
      event === 'set' ? [(data as { set: string }).set] : [],
    );
  }

  pause(): void {
    this.#response?.pause();
  }

  close(): void {
    this.#request.destroy();
  }

  #take(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\n\n'); end >= 0; end = this.#text.indexOf('\n\n')) {
      const fields = new Map(
        this.#text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      this.#text = this.#text.slice(end + 2);
      this.lastId = fields.get('id') ?? this.lastId;
      const event = fields.get('event');
      if (event === undefined) continue;
      const data: unknown = JSON.parse(fields.get('data') ?? '');
      eventSchemas[event as EventName].parse(data);
      this.heard.push({ id: this.lastId, event, data });
    }
  }
}

async function listening(query = '', headers: Record<string, string> = {}): Promise<EventReader> {
  const reader = new EventReader(query, headers);
  await expect.poll(() => reader.lastId).not.toBe('');
  return reader;
}

function tell(set: string): void {
  const data = { set, state: 'idle' as const, agentConnected: true, error: null };
  replica.hub.publish({ name: 'set', set, data });
}

describe('events over HTTP', () => {
  it('a job: is told from its beginning to its end', async () => {
    const reader = await listening();
    expect(reader.heard[0]).toMatchObject({ event: 'hello', data: { resumed: false } });
    const { id } = await replica.begin({ kind: 'verify', set: 'shop' });
    await expect.poll(() => reader.heard.at(-1)?.data).toMatchObject({ id, state: 'done' });
    const states = reader.heard.slice(1).map(({ data }) => (data as { state: string }).state);
    expect(states.slice(0, 2)).toEqual(['queued', 'running']);
  });

  it('who comes back with the id it had last: hears what it missed and nothing twice', async () => {
    const first = await listening();
    tell('one');
    await expect.poll(() => first.sets()).toEqual(['one']);
    first.close();
    tell('two');
    const back = await listening('', { 'last-event-id': first.lastId });
    expect(back.heard[0]?.data).toMatchObject({ resumed: true });
    expect(back.sets()).toEqual(['two']);
    const none = await listening(`?lastEventId=${back.lastId}`);
    expect(none.names()).toEqual(['hello']);
  });

  it('a stream of one set or some types: has nothing else', async () => {
    const some = await listening('?set=shop&types=set,point');
    tell('mail');
    tell('shop');
    await replica.ended((await replica.begin({ kind: 'verify', set: 'shop' })).id);
    tell('shop');
    await expect.poll(() => some.sets()).toEqual(['shop', 'shop']);
    expect(some.names()).toEqual(['hello', 'set', 'set']);
    expect((await replica.fetch('/v1/events?types=nothing')).status).toBe(400);
  });

  it('a client that does not keep up: is cut off, and the others hear all', async () => {
    const slow = await listening();
    const good = await listening();
    slow.pause();
    const long = 'x'.repeat(200_000);
    const error = { code: 'stalled', message: long, hint: '' };
    const data = { set: 'shop', state: 'stalled' as const, agentConnected: true, error };
    for (let each = 1; each <= 100; each += 1) {
      replica.hub.publish({ name: 'set', set: 'shop', data });
      await expect.poll(() => good.sets().length, { interval: 2 }).toBe(each);
    }
    await expect.poll(() => replica.hub.listeners).toBe(1);
    expect(good.ended).toBe(false);
  });

  it('the end of the server: ends the streams', async () => {
    const reader = await listening();
    await replica.stop();
    await expect.poll(() => reader.ended).toBe(true);
    replica = new ServedJobs();
    await replica.start();
  });
});
