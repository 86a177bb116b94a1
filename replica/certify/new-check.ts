/** A look at some points, to be certified: what was checked, when, how many findings there were. */
import type { CheckFacts } from '../../shared/certificate/facts.js';

export type NewCheck = Omit<CheckFacts, 'kind' | 'points'> & { readonly points: readonly number[] };
