/**
 * The kernel's tracker of changed ranges, one for all sets of the agent. Loading its programs takes
 * most of a second, so that happens with the first file that is large enough to be followed.
 */
import { BpfSource } from './bpf-source.js';
import { BpfTracker, usualTrackerLimits, type TrackerOptions } from './bpf-tracker.js';
import type { RangeSource } from './range-source.js';

export class TrackerOnDemand {
  readonly #options: TrackerOptions;
  #tracker: BpfTracker | undefined;
  #opened = false;

  constructor(options: TrackerOptions) {
    this.#options = options;
  }

  /** For one set. */
  source(): RangeSource {
    const { posix, limits = usualTrackerLimits } = this.#options;
    let source: BpfSource | undefined;
    return {
      name: 'tracker',
      begin: async (file) => {
        if (source === undefined) {
          if (file.holds === 'clone' || file.status.size < limits.fileBytesMin) return undefined;
          const tracker = this.#open();
          source = tracker === undefined ? undefined : new BpfSource(tracker, posix);
        }
        return await source?.begin(file);
      },
      settle: (basisOf) => {
        source?.settle(basisOf);
      },
      state: () => source?.state() ?? { files: 0, heldBytesMax: 0 },
      close: () => source?.close(),
    };
  }

  /** After all sources. */
  close(): void {
    this.#tracker?.close();
    this.#tracker = undefined;
    this.#opened = true;
  }

  #open(): BpfTracker | undefined {
    if (!this.#opened) this.#tracker = BpfTracker.open(this.#options);
    this.#opened = true;
    return this.#tracker;
  }
}
