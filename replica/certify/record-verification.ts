/** Lets a verification run through, and certifies what it found once it is done. */
import type { VerifyLine } from '../../shared/api/actions.js';
import type { Clock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';
import type { Certifier } from './certifier.js';

export interface Verification {
  readonly set: string;
  readonly points: readonly number[];
  readonly check: 'index' | 'data';
  /** Findings by point of a part that ran before it was interrupted. */
  readonly former?: ReadonlyMap<number, number>;
}

/**
 * The lines as they come. A verification that ends early says nothing of any point; one that cannot
 * be certified is still a verification.
 */
export async function* recordVerification(
  lines: AsyncIterable<VerifyLine>,
  of: Verification & { readonly certifier: Certifier; readonly clock: Clock; readonly log: Log },
): AsyncGenerator<VerifyLine> {
  const { set, points, check, certifier, clock, log } = of;
  const findings = new Map(of.former);
  for await (const line of lines) {
    if (line.type === 'finding') findings.set(line.point, (findings.get(line.point) ?? 0) + 1);
    yield line;
  }
  const timeMs = clock.now();
  const byCount = new Map<number, number[]>();
  for (const point of points) {
    const count = findings.get(point) ?? 0;
    const checked = byCount.get(count) ?? [];
    checked.push(point);
    byCount.set(count, checked);
  }
  try {
    for (const [count, checked] of byCount) {
      certifier.recordCheck(set, { points: checked, check, timeMs, findings: count });
    }
  } catch (error) {
    log.error('a verification is not certified', error, { set });
  }
}
