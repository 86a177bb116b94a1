/** A worker thread of the agent: does jobs one after the other, with a hashing core of its own. */
import { parentPort } from 'node:worker_threads';
import { createHashCore } from '../../shared/hash/create-hash-core.js';
import { loadPosix } from '../../shared/posix/load-posix.js';
import { perform, type JobTools } from './job.js';
import { type Order, type Report, toFailure } from './messages.js';
import { Slot } from './slot.js';

const slots = new Map<number, Slot>();
let tools: JobTools | undefined;

function report(order: Extract<Order, { type: 'job' }>): Report {
  const { id } = order;
  try {
    tools ??= { core: createHashCore(), readSmall: loadPosix().readSmall };
    const slot = slots.get(order.slot);
    if (slot === undefined) throw new Error(`slot ${order.slot} was not told`);
    return { id, result: perform(order.job, slot, tools) };
  } catch (error) {
    return { id, failure: toFailure(error) };
  }
}

parentPort?.on('message', (order: Order) => {
  if (order.type === 'slot') slots.set(order.slot, new Slot(order.memory));
  else parentPort?.postMessage(report(order));
});
