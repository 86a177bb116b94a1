/** Chooses a set among those that the replica serves and the caller may see. */
import type { VNode } from 'preact';
import type { StatusAnswer } from '../../shared/api/status.js';
import { getJson } from '../api/client.js';
import { type Answer, useAnswer } from '../api/use-answer.js';
import { texts } from '../texts.js';
import { SelectField } from './field.js';

export function useStatus(): Answer<StatusAnswer> {
  return useAnswer((signal) => getJson<StatusAnswer>('/v1/status', { signal }), ['status']);
}

export interface SetSelectProps {
  readonly sets: readonly string[];
  /** '' stands for every set. */
  readonly value: string;
  readonly onValue: (set: string) => void;
  /** What '' is called; without it there is no such choice. */
  readonly every?: string;
}

export function SetSelect({ sets, value, onValue, every }: SetSelectProps): VNode {
  const known = value === '' || sets.includes(value) ? sets : [...sets, value];
  return (
    <SelectField
      label={texts.acting.set}
      value={value}
      onValue={onValue}
      options={[
        ...(every === undefined ? [] : [{ value: '', label: every }]),
        ...known.map((set) => ({ value: set, label: set })),
      ]}
    />
  );
}
