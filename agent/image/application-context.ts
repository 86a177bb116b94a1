/** What an image says of its application, and the image that is of no instant. */
import type { AfterimageError } from '../../shared/errors.js';
import type { ApplicationContext } from '../../shared/protocol/sync-outcome.js';
import type { HeldApplication, QuiesceRecipe, ReleaseOutcome } from '../quiesce/recipe.js';
import type { ImageRequest, ImageTaken } from './image-engine.js';

/** Files were read at different instants, and nothing makes up for it. */
export function crash(taken: { rounds: number; imageMs: number }): ImageTaken {
  return {
    engine: 'rounds',
    consistency: 'crash',
    heldMs: 0,
    releasedMs: undefined,
    applications: [],
    movedWhileHeld: [],
    ...taken,
  };
}

/** Of an application that was held, or whose backup was made. */
export function contextOf(at: {
  readonly recipe: QuiesceRecipe;
  readonly held: HeldApplication;
  readonly release: ReleaseOutcome;
}): ApplicationContext {
  const { recipe, held, release } = at;
  const { facts } = held;
  const { version, logPosition, ...rest } = facts;
  return {
    kind: recipe.name,
    ...(typeof version === 'string' ? { version } : {}),
    ...(typeof logPosition === 'string' ? { logPosition } : {}),
    facts: {
      ...rest,
      intact: release.intact,
      releasedBy: release.releasedBy,
      ...(release.problems.length === 0
        ? {}
        : { problems: release.problems.join('; ').slice(0, 2000) }),
    },
  };
}

/** Of one that could be neither. */
export function failedContext(
  { recipe }: ImageRequest,
  error: AfterimageError,
): ApplicationContext {
  return {
    kind: recipe.name,
    facts: { held: false, code: error.code, error: error.message.slice(0, 2000) },
  };
}
