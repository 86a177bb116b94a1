/** Applies a set's retention policy now, or says what it would do. */
import { pruneJobSchema, type JobResult } from '../../../shared/api/jobs.js';
import type { DecisionLine } from '../../../shared/api/retention.js';
import { AfterimageError } from '../../../shared/errors.js';
import { type AnyJobKind, jobKind } from '../job-kind.js';
import type { KindDeps } from './kind-deps.js';

/** Decisions told one by one in the log. */
const TOLD_MAX = 500;

export function pruneKind({ retention }: Pick<KindDeps, 'retention'>): AnyJobKind {
  return jobKind({
    kind: 'prune',
    schema: pruneJobSchema,
    role: 'admin',
    about: 'set',
    effect: 'changes',
    // Points that went are gone; what is left is decided anew.
    afterInterruption: 'begins-again',
    run: async ({ set, by, request, signal, progress, log }) => {
      if (retention === undefined) {
        throw new AfterimageError('not-found', 'this replica keeps every point');
      }
      let told = 0;
      let result: JobResult | undefined;
      const lines = retention.prune(set, { effect: request.effect, by, signal });
      for await (const line of lines) {
        if (line.type === 'decision') {
          if (line.keep) continue;
          told += 1;
          if (told <= TOLD_MAX) log(decisionText(line));
        } else if (line.type === 'progress') {
          const step = line.step === 'points' ? 'removing points' : 'rewriting packs';
          progress({ step, files: line.done, filesTotal: line.total });
        } else {
          const { removed, deferred, kept, fileBytes, packBytes } = line;
          const verb = request.effect === 'plan' ? 'would go' : 'removed';
          result = {
            text: `${removed} points ${verb}, ${kept} kept, ${deferred} deferred`,
            counts: { removed, deferred, kept, fileBytes, packBytes },
            troubles: [],
            troubleCount: 0,
            notes: told > TOLD_MAX ? [`the log names the first ${TOLD_MAX} points`] : [],
          };
        }
      }
      if (result !== undefined) return result;
      throw new AfterimageError('cancelled', 'retention was cancelled');
    },
  });
}

function decisionText({ point, timeMs, because }: DecisionLine): string {
  return `point ${point} of ${new Date(timeMs).toISOString()}: ${because.join('; ')}`;
}
