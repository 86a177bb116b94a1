/**
 * Blocks of the newest point that are damaged on the replica and that nothing there can repair: the
 * next sync sends them whole, if the files have them still. Kept in memory: the replica asks again
 * for what did not come.
 */
import type { SetSession } from '../ship/session.js';

export interface WantedBlock {
  readonly node: number;
  readonly block: number;
}

/** More are asked for again later. */
const BLOCKS_MAX = 10_000;

export class WantedBlocks {
  #blocks: WantedBlock[] = [];

  /** Listens for as long as the session is open. */
  constructor(session: Pick<SetSession, 'onEvent'>) {
    session.onEvent((event) => {
      if (event.type !== 'wanted') return;
      this.#blocks = [...this.#blocks, ...event.blocks].slice(-BLOCKS_MAX);
    });
  }

  /** What was asked for since the last time. */
  take(): readonly WantedBlock[] {
    const blocks = this.#blocks;
    this.#blocks = [];
    return blocks;
  }
}
