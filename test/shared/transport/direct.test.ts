/**
 * The direct stream under the contract of every transport. A stream has two ends and no broker, so
 * here a star of streams stands for one: what comes in on one of them goes out on all others.
 */
import { randomBytes } from 'node:crypto';
import { AfterimageError } from '../../../shared/errors.js';
import { DirectClient } from '../../../shared/transport/direct-client.js';
import { type Admission, openDirectDoor } from '../../../shared/transport/direct-door.js';
import type { DirectEnd } from '../../../shared/transport/direct-end.js';
import type { TransportMessage } from '../../../shared/transport/transport.js';
import { transportContract } from '../../contract/transport.js';
import { until } from '../../agent/ship/wire-rig.js';

const prefix = 'afterimage.';

transportContract('direct', async () => {
  const admissions = new Map<string, Admission>();
  const ends = new Set<DirectEnd>();
  const clients: DirectClient[] = [];
  const door = await openDirectDoor({
    host: '127.0.0.1',
    port: 0,
    admit: (session) => admissions.get(session),
    onStream: (_session, end) => {
      ends.add(end);
      end.onStatus(({ type }) => {
        if (type === 'disconnected') ends.delete(end);
      });
      end.subscribe('>', (message) => {
        const others = [...ends].filter((other) => other !== end);
        void passOn(message, { from: end, others });
      });
    },
    onRefused: () => undefined,
  });
  return {
    connect: async (permissions) => {
      const session = randomBytes(8).toString('hex');
      const key = randomBytes(32);
      admissions.set(session, {
        key,
        prefix,
        ...(permissions === undefined ? {} : { hears: permissions.publish }),
      });
      const client = new DirectClient({
        prefix,
        timing: { backoffMs: [2, 20] },
        monotonic: () => performance.now(),
        ...(permissions === undefined ? {} : { subscribes: permissions.subscribe }),
      });
      const offer = { session, key, addresses: [{ host: '127.0.0.1', port: door.port }] };
      client.offer(offer);
      await until(() => client.connected);
      client.onStatus(({ type }) => {
        if (type === 'disconnected') client.offer(offer);
      });
      clients.push(client);
      return client;
    },
    breakAll: () => {
      for (const end of [...ends]) end.detach('broken by the test');
      return Promise.resolve();
    },
    close: async () => {
      for (const client of clients) await client.close();
      await door.close();
    },
  };
});

const ANSWER_MS = 30_000;

async function passOn(
  { subject, data, reply }: TransportMessage,
  way: { readonly from: DirectEnd; readonly others: readonly DirectEnd[] },
): Promise<void> {
  if (reply === undefined) {
    for (const other of way.others) other.publish(subject, data);
    return;
  }
  try {
    const asked = way.others.map((other) => other.request(subject, data, ANSWER_MS));
    way.from.publish(reply, await Promise.any(asked));
  } catch (error) {
    const all: unknown[] = error instanceof AggregateError ? error.errors : [error];
    const isNobody = all.every(
      (one) => one instanceof AfterimageError && one.code === 'replica-unreachable',
    );
    if (isNobody) way.from.sayNobody(reply);
  }
}
