/** Whether something listens at an address, and whether it is free for us. */
import net from 'node:net';
import { messageOf } from '../../shared/errors.js';
import { type Check, fail, ok } from './check.js';

const CONNECT_MS_MAX = 5000;
const NATS_PORT = 4222;

/** The first of the broker's URLs that takes a connection; TLS and keys are not tried. */
export async function checkBrokerUrl(url: string): Promise<Check> {
  const failures: string[] = [];
  for (const one of url.split(',')) {
    const { hostname, port } = new URL(one.includes('://') ? one : `nats://${one}`);
    const host = hostname.replace(/^\[|\]$/g, '');
    const why = await whyUnreachable(host, port === '' ? NATS_PORT : Number(port));
    if (why === undefined) return ok('broker', `${one} takes connections`);
    failures.push(`${one}: ${why}`);
  }
  return fail(
    'broker',
    failures.join('; '),
    'Start the replica or the broker, and let this machine through the firewall to it.',
  );
}

/** Undefined when a connection could be made. */
async function whyUnreachable(host: string, port: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: CONNECT_MS_MAX });
    const end = (why: string | undefined): void => {
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => {
      end(undefined);
    });
    socket.once('timeout', () => {
      end(`no answer within ${CONNECT_MS_MAX / 1000} s`);
    });
    socket.once('error', (error) => {
      end(messageOf(error));
    });
  });
}

/** Undefined when the address is free to listen at. */
export async function whyNotFree(host: string, port: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error) => {
      resolve(messageOf(error));
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => {
        resolve(undefined);
      });
    });
  });
}
