/** What changed during the last round is read while the application is held: needs nothing of a file system. */
import type { ImageEngine, ImageRequest } from './image-engine.js';
import { takeInRounds, type HeldWay } from './take-in-rounds.js';

export function createRoundsEngine(): ImageEngine {
  return { name: 'rounds', take: (request) => takeInRounds(request, readWhileHeld(request)) };
}

export function readWhileHeld(request: ImageRequest): HeldWay {
  return {
    needsNoHold: false,
    readsWhileHeld: true,
    prepare: () => Promise.resolve(),
    take: async () => {
      await request.look({ held: true });
      return { engine: 'rounds', moved: request.movedWhileHeld() };
    },
    finish: () => Promise.resolve(),
  };
}
