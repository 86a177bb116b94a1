/** What a run of the campaigns is asked to do. */
import { parseArgs } from 'node:util';

export const USAGE =
  'usage: npm run test:fault -- [--minutes N] [--seed S] [--only NAME,NAME] [--budget F] [--json]\n';

export interface FaultArguments {
  readonly campaigns: readonly string[];
  readonly seed: number;
  /** 1 for the published amount of each. */
  readonly budget: number;
  /** For all of them together; no limit when left out. */
  readonly minutes?: number;
  readonly output: 'record' | 'json';
}

/** Throws, with a message for whoever typed them, for arguments that make no sense. */
export function parseArguments(args: readonly string[], known: readonly string[]): FaultArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
      budget: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const seed = number('--seed', values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed is a whole number');
  return {
    campaigns: values.only === undefined ? known : chosen(values.only, known),
    seed,
    budget: above0('--budget', values.budget),
    ...(values.minutes === undefined ? {} : { minutes: above0('--minutes', values.minutes) }),
    output: values.json ? 'json' : 'record',
  };
}

function chosen(only: string, known: readonly string[]): string[] {
  const names = [...new Set(only.split(',').map((name) => name.trim()))];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return names;
  throw new Error(`there is no campaign ${unknown.join(', ')}; there are ${known.join(', ')}`);
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new Error(`${name} is a number, not ${JSON.stringify(text)}`);
}

function above0(name: string, text: string): number {
  const value = number(name, text);
  if (value > 0) return value;
  throw new Error(`${name} is above 0`);
}
