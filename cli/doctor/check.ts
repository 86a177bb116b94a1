/** One thing that `doctor` looked at, and how it found it. */
import { AfterimageError, messageOf } from '../../shared/errors.js';

export interface Check {
  /** What was looked at. */
  readonly subject: string;
  /** `warn`: it works, with less. `fail`: it will not. */
  readonly state: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(subject: string, found: string): Check {
  return { subject, state: 'ok', found };
}

export function warn(subject: string, found: string, advice: string): Check {
  return { subject, state: 'warn', found, advice };
}

export function fail(subject: string, found: string, advice: string): Check {
  return { subject, state: 'fail', found, advice };
}

/** What keeps a thing from being looked at is a finding too. */
export async function attempt(
  subject: string,
  look: () => Check | readonly Check[] | Promise<Check | readonly Check[]>,
): Promise<readonly Check[]> {
  try {
    const found = await look();
    return 'state' in found ? [found] : found;
  } catch (error) {
    const advice = error instanceof AfterimageError ? error.hint : 'Look at the message.';
    return [fail(subject, messageOf(error), advice)];
  }
}
