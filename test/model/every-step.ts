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

export async function strikeEveryStep(
  script: Script,
  troubleAt: (step: number) => Trouble,
): Promise<EveryStep> {
  const struck: string[] = [];
  for (let step = 1; ; step += 1) {
    const striking = withTrouble(script, troubleAt(step));
    const { wrong, counts } = await runScript(striking);
    if (wrong !== undefined) return { struck, failure: { script: striking, wrong } };
    const [strike] = counts.strikes;
    if (strike === undefined) return { struck, failure: undefined };
    struck.push(strike.step);
  }
}

/** The script with one trouble, in the last step that can have one. */
function withTrouble(script: Script, trouble: Trouble): Script {
  const last = script.findLastIndex((step) => 'troubles' in step);
  return script.map((step, at) =>
    'troubles' in step ? { ...step, troubles: at === last ? [trouble] : [] } : step,
  );
}
