/** A wait that something else can end; an end that comes before the wait is not lost. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class WakeUp {
  #woken = false;
  #resolve: (() => void) | undefined;

  /** Waits this long, or until `now` is called. */
  wait(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#resolve?.(), Math.min(Math.max(0, ms), TIMER_MS_MAX));
      this.#resolve = () => {
        clearTimeout(timer);
        this.#resolve = undefined;
        this.#woken = false;
        resolve();
      };
    });
  }

  now(): void {
    if (this.#resolve === undefined) this.#woken = true;
    else this.#resolve();
  }
}
