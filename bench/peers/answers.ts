/** Whether a server listens already. */
import { createConnection } from 'node:net';

export function answers(host: string, port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(port, host);
    socket.once('error', () => {
      resolve(undefined);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
