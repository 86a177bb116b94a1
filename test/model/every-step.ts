/** Strikes the last sync, or removal of points, of a script at every step of it, once each. */
import type { Kept } from './disk/journal.js';
import { keeps } from './disk/journal.js';
import { runScript } from './run-script.js';
import type { Script, Trouble } from './script.js';

/** A kill at odd steps, a power cut at even ones. */
export function killOrPowerAt(step: number): Trouble {
  return step % 2 === 0 ? powerAt(step) : { how: 'kill', step };
}

/** Lets what was not flushed be kept in another way at each step. */
export function powerAt(step: number): Trouble {
  const kept: Kept = keeps[Math.floor(step / 2) % keeps.length] ?? 'none';
  return { how: 'power', step, kept, salt: step };
}

export interface EveryStep {
  /** Steps at which it was struck, by name. */
  readonly struck: readonly string[];
  /** The first script that went wrong, and how. */
  readonly failure: { readonly script: Script; readonly wrong: string } | undefined;
}

/**
 * Steps are told apart by their names: what runs beside the sync takes turns with it, so that one number
 * is another step each time. One that does not come again in its run is left out.
 */
export async function strikeEveryStep(
  script: Script,
  troubleAt: (step: number) => Trouble,
): Promise<EveryStep> {
  const struck: string[] = [];
  const calm = withTroubles(script, []);
  const { wrong, counts } = await runScript(calm);
  if (wrong !== undefined) return { struck, failure: { script: calm, wrong } };
  for (const [at, place] of counts.steps.entries()) {
    const [name = '', nth] = place.split('#');
    const striking = withTroubles(script, [{ ...troubleAt(at + 1), name, nth: Number(nth) }]);
    const run = await runScript(striking);
    if (run.wrong !== undefined) return { struck, failure: { script: striking, wrong: run.wrong } };
    for (const { step } of run.counts.strikes) struck.push(step);
  }
  return { struck, failure: undefined };
}

/** The script with these troubles in the last step that can have some, and no others. */
function withTroubles(script: Script, troubles: readonly Trouble[]): Script {
  const last = script.findLastIndex((step) => 'troubles' in step);
  return script.map((step, at) =>
    'troubles' in step ? { ...step, troubles: at === last ? troubles : [] } : step,
  );
}
