/** A policy in one line, as it is written on the command line: for records, logs and people. */
import type { Policy } from '../../shared/api/retention.js';
import { duration } from './plan-retention.js';

/** `keep-last 10 of 15m, within 7d, daily 30`. */
export function policyText(policy: Policy): string {
  const { keepLast, intervalMs, withinMs, minAgeMs, ...counts } = policy;
  const rules: string[] = [];
  if (keepLast !== undefined) rules.push(`keep-last ${keepLast} of ${duration(intervalMs)}`);
  if (withinMs !== undefined) rules.push(`within ${duration(withinMs)}`);
  for (const [rule, count] of Object.entries(counts)) rules.push(`${rule} ${String(count)}`);
  if (minAgeMs > 0) rules.push(`min-age ${duration(minAgeMs)}`);
  return rules.join(', ');
}
