/** Capture without events: says at an interval that it is time to look. */
import type { CaptureReport, CaptureSource } from './capture-source.js';

export function createScanSource(options: { readonly everyMs: number }): CaptureSource {
  let timer: NodeJS.Timeout | undefined;
  return {
    name: 'scan',
    start(report: (seen: CaptureReport) => void) {
      timer = setInterval(() => {
        report({ type: 'look' });
      }, options.everyMs);
      timer.unref();
      return Promise.resolve();
    },
    stop() {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}
