/**
 * What every transport promises, as tests: at most once, in order for one publisher and subject
 * while connected, subscriptions that survive a break, and trouble that is told.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SubjectPermissions } from '../../replica/broker/broker-config.js';
import { AfterimageError } from '../../shared/errors.js';
import { roomyBuffer } from '../../shared/transport/roomy-buffer.js';
import type { Transport, TransportStatus } from '../../shared/transport/transport.js';
import { until } from '../agent/ship/wire-rig.js';

export interface TransportFixture {
  /** A connected client that may do what `permissions` says; everything for undefined. */
  connect(permissions?: SubjectPermissions): Promise<Transport>;
  /** Breaks every connection for a moment; resolves when clients can connect again. */
  breakAll(): Promise<void>;
  close(): Promise<void>;
}

/** Returns why the transport cannot be tested here, or a way to make one. */
export type MakeFixture = () => Promise<TransportFixture | string>;

const bytes = (text: string) => Buffer.from(text);
const hashOf = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

export function transportContract(name: string, make: MakeFixture): void {
  describe(`transport contract: ${name}`, () => {
    let fixture: TransportFixture | undefined;
    const opened: Transport[] = [];

    beforeAll(async () => {
      const made = await make();
      if (typeof made === 'string') console.warn(`skipped: ${made}`);
      else fixture = made;
    });
    afterAll(async () => {
      for (const transport of opened) await transport.close();
      await fixture?.close();
    });

    const promise = (title: string, body: (connect: TransportFixture) => Promise<void>): void => {
      test(`${name}: ${title}`, async (context) => {
        if (fixture === undefined) context.skip();
        else await body(fixture);
      });
    };
    const connect = async (from: TransportFixture, permissions?: SubjectPermissions) => {
      const transport = await from.connect(permissions);
      opened.push(transport);
      return transport;
    };

    promise('messages of one publisher arrive once and in order', async (from) => {
      const [sender, receiver] = [await connect(from), await connect(from)];
      const seen: string[] = [];
      receiver.subscribe('afterimage.order.a', (message) => {
        seen.push(Buffer.from(message.data).toString());
      });
      await receiver.flush();
      const sent = Array.from({ length: 500 }, (_, index) => `message ${index}`);
      for (const text of sent) sender.publish('afterimage.order.a', bytes(text));
      await until(() => seen.length >= sent.length);
      expect(seen).toEqual(sent);
    });

    promise(
      'buffers with and without room around them arrive whole, in the order sent',
      async (from) => {
        const [sender, receiver] = [await connect(from), await connect(from)];
        const seen: Buffer[] = [];
        receiver.subscribe('afterimage.room.a', ({ data }) => seen.push(Buffer.from(data)));
        await receiver.flush();
        const sent = Array.from({ length: 60 }, (_, index) => {
          const length = 1 + index * 4000;
          const data = index % 2 === 0 ? roomyBuffer(length) : Buffer.alloc(length);
          return data.fill(index);
        });
        for (const data of sent) sender.publish('afterimage.room.a', data);
        await until(() => seen.length >= sent.length);
        expect(
          seen.map((data) => [data.length, data.every((byte) => byte === data[0]), data[0]]),
        ).toEqual(sent.map((_, index) => [1 + index * 4000, true, index]));
      },
    );

    promise(
      'large messages arrive as sent, while sender and receiver use their memory again',
      async (from) => {
        const [sender, receiver] = [await connect(from), await connect(from)];
        const seen: string[] = [];
        receiver.subscribe('afterimage.large.a', ({ data, release }) => {
          seen.push(`${data.length} ${hashOf(data)}`);
          data.fill(0xff); // it belongs to the handler
          release?.();
        });
        await receiver.flush();
        const sent: string[] = [];
        for (let round = 0; round < 12; round += 1) {
          for (const length of [1, 300_000, 70_000, 300_000, 1_000_000, 65_536, 300_000]) {
            const data = randomFillSync(roomyBuffer(length));
            sent.push(`${length} ${hashOf(data)}`);
            sender.publish('afterimage.large.a', data);
          }
          await sender.flush();
        }
        await until(() => seen.length >= sent.length);
        expect(seen).toEqual(sent);
      },
    );

    promise('wildcards match as NATS matches them', async (from) => {
      const [sender, receiver] = [await connect(from), await connect(from)];
      const seen: string[] = [];
      receiver.subscribe('afterimage.wild.*.up', (message) => seen.push(message.subject));
      receiver.subscribe('afterimage.wild.tail.>', (message) => seen.push(`> ${message.subject}`));
      await receiver.flush();
      for (const tail of ['a.up', 'a.b.up', 'a.down', 'tail', 'tail.x.y', 'b.up']) {
        sender.publish(`afterimage.wild.${tail}`, bytes(''));
      }
      await until(() => seen.includes('afterimage.wild.b.up'));
      expect(seen).toEqual([
        'afterimage.wild.a.up',
        '> afterimage.wild.tail.x.y',
        'afterimage.wild.b.up',
      ]);
    });

    promise('a request gets its answer, and several at once get their own', async (from) => {
      const [asker, answerer] = [await connect(from), await connect(from)];
      answerer.subscribe('afterimage.ask', (message) => {
        if (message.reply !== undefined) answerer.publish(message.reply, message.data);
      });
      await answerer.flush();
      const answers = await Promise.all(
        ['one', 'two', 'three'].map((text) => asker.request('afterimage.ask', bytes(text), 5000)),
      );
      expect(answers.map((answer) => Buffer.from(answer).toString())).toEqual([
        'one',
        'two',
        'three',
      ]);
    });

    promise('a request that nobody hears fails at once', async (from) => {
      const asker = await connect(from);
      const startMs = performance.now();
      const failure = await asker.request('afterimage.nobody', bytes(''), 30_000).catch(codeOf);
      expect(failure).toBe('replica-unreachable');
      expect(performance.now() - startMs).toBeLessThan(5000);
    });

    promise('a request that is heard and not answered times out', async (from) => {
      const [asker, silent] = [await connect(from), await connect(from)];
      silent.subscribe('afterimage.silent', () => undefined);
      await silent.flush();
      const failure = await asker.request('afterimage.silent', bytes(''), 50).catch(codeOf);
      expect(failure).toBe('timed-out');
    });

    promise('a publisher does not hear itself', async (from) => {
      const [both, other] = [await connect(from), await connect(from)];
      const heard: string[] = [];
      both.subscribe('afterimage.echo', () => heard.push('self'));
      other.subscribe('afterimage.echo', () => heard.push('other'));
      await Promise.all([both.flush(), other.flush()]);
      both.publish('afterimage.echo', bytes(''));
      await both.flush();
      await until(() => heard.length > 0);
      expect(heard).toEqual(['other']);
    });

    promise('nothing is heard after unsubscribing', async (from) => {
      const [sender, receiver] = [await connect(from), await connect(from)];
      const heard: string[] = [];
      const first = receiver.subscribe('afterimage.gone', () => heard.push('first'));
      receiver.subscribe('afterimage.gone', () => heard.push('second'));
      await receiver.flush();
      first.unsubscribe();
      await receiver.flush();
      sender.publish('afterimage.gone', bytes(''));
      await until(() => heard.length > 0);
      expect(heard).toEqual(['second']);
    });

    promise('a message of the largest payload arrives whole', async (from) => {
      const [sender, receiver] = [await connect(from), await connect(from)];
      expect(sender.payloadBytesMax).toBeGreaterThan(1024 * 1024);
      const large = Buffer.alloc(1024 * 1024, 7);
      const sizes: number[] = [];
      receiver.subscribe('afterimage.large', (message) => {
        sizes.push(message.data.length);
        expect(large.equals(message.data)).toBe(true);
      });
      await receiver.flush();
      sender.publish('afterimage.large', large);
      await until(() => sizes.length > 0);
      expect(sizes).toEqual([large.length]);
    });

    promise('a forbidden publish is told on the status stream and reaches nobody', async (from) => {
      const agent = await connect(from, { publish: ['afterimage.mine.>'], subscribe: ['inbox.>'] });
      const listener = await connect(from);
      const heard: string[] = [];
      listener.subscribe('afterimage.*.x', (message) => heard.push(message.subject));
      await listener.flush();
      const statuses = watchStatus(agent);
      agent.publish('afterimage.theirs.x', bytes('forbidden'));
      agent.publish('afterimage.mine.x', bytes('allowed'));
      await until(() => statuses.length > 0 && heard.length > 0);
      expect(statuses).toContainEqual({
        type: 'permission-violation',
        subject: 'afterimage.theirs.x',
        operation: 'publish',
      });
      expect(heard).toEqual(['afterimage.mine.x']);
    });

    promise('a forbidden subscription is told on the status stream', async (from) => {
      const agent = await connect(from, { publish: ['afterimage.mine.>'], subscribe: ['inbox.>'] });
      const statuses = watchStatus(agent);
      agent.subscribe('afterimage.theirs.ack', () => undefined);
      await until(() => statuses.length > 0);
      expect(statuses).toContainEqual({
        type: 'permission-violation',
        subject: 'afterimage.theirs.ack',
        operation: 'subscribe',
      });
    });

    promise('a break is told, requests fail by it, and subscriptions come back', async (from) => {
      const [sender, receiver] = [await connect(from), await connect(from)];
      const heard: string[] = [];
      receiver.subscribe('afterimage.back', () => heard.push('back'));
      receiver.subscribe('afterimage.silent2', () => undefined);
      await receiver.flush();
      const [statuses, senders] = [watchStatus(receiver), watchStatus(sender)];
      const pending = sender.request('afterimage.silent2', bytes(''), 5000).catch(codeOf);
      await sender.flush();
      await from.breakAll();
      await until(() => statuses.length > 1 && senders.length > 1);
      expect(statuses.map((status) => status.type)).toEqual(['disconnected', 'reconnected']);
      await receiver.flush();
      sender.publish('afterimage.back', bytes(''));
      await until(() => heard.length > 0);
      expect(await pending).toBe('broker-unreachable');
    });

    promise('closing is told once and ends everything', async (from) => {
      const transport = await connect(from);
      const statuses = watchStatus(transport);
      await transport.close();
      await transport.close();
      expect(statuses).toEqual([{ type: 'closed' }]);
      expect(transport.connected).toBe(false);
      const failure = await transport.request('afterimage.ask', bytes(''), 50).catch(codeOf);
      expect(failure).toBe('broker-unreachable');
    });
  });
}

function watchStatus(transport: Transport): TransportStatus[] {
  const statuses: TransportStatus[] = [];
  transport.onStatus((status) => statuses.push(status));
  return statuses;
}

function codeOf(error: unknown): string {
  return error instanceof AfterimageError ? error.code : String(error);
}
