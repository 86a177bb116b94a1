import { createMemoryBroker } from '../../../shared/transport/memory.js';
import { transportContract } from '../../contract/transport.js';

transportContract('memory', () => {
  const broker = createMemoryBroker();
  return Promise.resolve({
    connect: (permissions) =>
      Promise.resolve(broker.connect(permissions === undefined ? {} : { permissions })),
    breakAll: () => {
      broker.down();
      broker.up();
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  });
});
