/** Does jobs in the caller's thread: where there is no processor for a worker, and for tests. */
import { perform, type Job, type JobResult, type JobTools } from './job.js';
import { Slot } from './slot.js';
import { SlotStore, type Workshop } from './workshop.js';

/** One is filled while the one before is used up. */
const SLOTS = 2;

export class InlineWorkshop implements Workshop {
  readonly workers = 0;
  readonly #tools: JobTools;
  readonly #slots = new SlotStore(SLOTS, () => new Slot());

  constructor(tools: JobTools) {
    this.#tools = tools;
  }

  take(): Slot | undefined {
    return this.#slots.take();
  }

  free(slot: Slot): void {
    this.#slots.free(slot);
  }

  perform(job: Job, slot: Slot): Promise<JobResult> {
    return new Promise((resolve) => {
      resolve(perform(job, slot, this.#tools));
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
