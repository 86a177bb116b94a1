/**
 * A policy as the fields of a form, and back. Pure: what is typed is either a policy, or says which
 * field keeps it from being one; nothing is guessed.
 */
import type { Policy } from '../../../shared/api/retention.js';
import { durationText, parseDuration } from './duration-text.js';

/** Rules that count intervals, in the order in which they are shown. */
export const countRules = ['keepLast', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type CountRule = (typeof countRules)[number];
export const durationFields = ['withinMs', 'intervalMs', 'minAgeMs'] as const;
export type PolicyField = CountRule | (typeof durationFields)[number];

/** What stands in the fields; an empty one means that the rule is not used. */
export type PolicyDraft = Readonly<Record<PolicyField, string>>;

export type DraftResult =
  | { readonly policy: Policy; readonly errors: Readonly<Record<string, never>> }
  | { readonly policy: undefined; readonly errors: DraftErrors };
export type DraftErrors = Readonly<Partial<Record<PolicyField | 'all', DraftError>>>;
export type DraftError = 'count' | 'duration' | 'interval' | 'empty';

const COUNT_MAX = 100_000;
const INTERVAL_MS_DEFAULT = 900_000;
const INTERVAL_MS_MIN = 1000;

/** What a set without a policy is offered: a beginning that keeps much. */
export const draftOffered: PolicyDraft = {
  keepLast: '48',
  withinMs: '2d',
  hourly: '48',
  daily: '30',
  weekly: '12',
  monthly: '24',
  yearly: '10',
  intervalMs: '15m',
  minAgeMs: '1d',
};

export function toDraft(policy: Policy): PolicyDraft {
  const count = (rule: CountRule): string => policy[rule]?.toString() ?? '';
  return {
    keepLast: count('keepLast'),
    withinMs: policy.withinMs === undefined ? '' : durationText(policy.withinMs),
    hourly: count('hourly'),
    daily: count('daily'),
    weekly: count('weekly'),
    monthly: count('monthly'),
    yearly: count('yearly'),
    intervalMs: durationText(policy.intervalMs),
    minAgeMs: policy.minAgeMs === 0 ? '' : durationText(policy.minAgeMs),
  };
}

/** Reads the fields. */
export function readDraft(draft: PolicyDraft): DraftResult {
  const errors: Partial<Record<PolicyField | 'all', DraftError>> = {};
  const policy: Policy = {
    intervalMs: readDuration(draft, 'intervalMs', errors) ?? INTERVAL_MS_DEFAULT,
    minAgeMs: readDuration(draft, 'minAgeMs', errors) ?? 0,
  };
  if (policy.intervalMs < INTERVAL_MS_MIN) errors.intervalMs = 'interval';
  for (const rule of countRules) {
    const text = draft[rule].trim();
    if (text === '') continue;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0 || value > COUNT_MAX) errors[rule] = 'count';
    else if (value > 0) policy[rule] = value;
  }
  const withinMs = readDuration(draft, 'withinMs', errors);
  if (withinMs !== undefined && withinMs > 0) policy.withinMs = withinMs;
  const keeps = policy.withinMs !== undefined || countRules.some((rule) => rule in policy);
  if (!keeps) errors.all = 'empty';
  return Object.keys(errors).length === 0 ? { policy, errors: {} } : { policy: undefined, errors };
}

function readDuration(
  draft: PolicyDraft,
  field: (typeof durationFields)[number],
  errors: Partial<Record<PolicyField, DraftError>>,
): number | undefined {
  const text = draft[field].trim();
  if (text === '') return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) errors[field] = 'duration';
  return ms;
}

/** Whether two policies say the same. */
export function samePolicy(a: Policy | null, b: Policy | null): boolean {
  if (a === null || b === null) return a === b;
  const fields: readonly (keyof Policy)[] = [...countRules, ...durationFields];
  return fields.every((field) => a[field] === b[field]);
}
