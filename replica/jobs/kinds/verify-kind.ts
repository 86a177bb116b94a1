/**
 * Verifies points of a set, from the newest to the oldest. After an interruption it goes on below the
 * last point it finished; what was found before is kept, so that the certificates say all of it.
 */
import { z } from 'zod';
import type { VerifyFinding, VerifyLine } from '../../../shared/api/actions.js';
import {
  type JobResult,
  type JobTrouble,
  jobTroubleSchema,
  TROUBLES_MAX,
  verifyJobSchema,
} from '../../../shared/api/jobs.js';
import { throwIfCancelled } from '../../../shared/restore/cancelled.js';
import { recordVerification } from '../../certify/record-verification.js';
import { findPoint, findSet } from '../../serve/requests.js';
import { verifySet } from '../../verify/verify-set.js';
import { type AnyJobKind, type JobContext, jobKind } from '../job-kind.js';
import type { KindDeps } from './kind-deps.js';

const SAVE_MS = 1000;
/** With more than these an interrupted verification begins again. */
const FOUND_POINTS_MAX = 1000;

const savedSchema = z.object({
  /** The oldest point that is finished. */
  through: z.number(),
  findings: z.array(z.tuple([z.number(), z.number()])).max(FOUND_POINTS_MAX),
  troubles: z.array(jobTroubleSchema).max(TROUBLES_MAX),
  bytes: z.number(),
  entries: z.number(),
});
type Saved = z.infer<typeof savedSchema>;
type VerifyJob = z.infer<typeof verifyJobSchema>;

export function verifyKind(deps: KindDeps): AnyJobKind {
  return jobKind({
    kind: 'verify',
    schema: verifyJobSchema,
    role: 'operator',
    about: 'set',
    effect: 'reads',
    afterInterruption: 'goes-on',
    settle: (set, request) => {
      const served = findSet(deps.sets(), set);
      if (request.point === undefined) return request;
      return { ...request, point: String(findPoint(served, request.point).point) };
    },
    run: (context) => verify(deps, context),
  });
}

async function verify(deps: KindDeps, context: JobContext<VerifyJob>): Promise<JobResult> {
  const { set, request, signal } = context;
  const { depth } = request;
  const { reader } = findSet(deps.sets(), set);
  const only = request.point === undefined ? undefined : Number(request.point);
  const chosen = reader.points().filter(({ point }) => point === (only ?? point));
  const run = new VerifyJobRun(context);
  if (only === undefined) run.goOn();
  // A first estimate: shared bytes are read once, and changed ones of older points besides.
  const files = chosen.reduce((sum, point) => sum + point.files, 0);
  const newest = chosen.at(-1)?.bytes ?? 0;
  const older = chosen.slice(0, -1).reduce((sum, point) => sum + point.changedBytes, 0);
  context.progress({
    step: depth === 'data' ? 'reading' : 'comparing',
    filesTotal: files,
    bytesTotal: depth === 'data' ? newest + older : null,
  });
  const lines = verifySet(reader, {
    hash: deps.hash,
    depth,
    signal,
    ...(only === undefined ? {} : { point: only }),
    ...(run.through === undefined ? {} : { upTo: run.through - 1 }),
  });
  const { certifier, clock, log } = deps;
  const points = chosen.map(({ point }) => point);
  const recorded =
    certifier === undefined
      ? lines
      : recordVerification(lines, {
          set,
          points,
          check: depth,
          former: new Map(run.findings),
          certifier,
          clock,
          log,
        });
  for await (const line of recorded) run.take(line);
  throwIfCancelled(signal);
  return run.result(points.length);
}

class VerifyJobRun {
  through: number | undefined;
  readonly #context: JobContext<VerifyJob>;
  readonly #findings = new Map<number, number>();
  #former: Saved | undefined;
  #troubles: JobTrouble[] = [];
  #bytes = 0;
  #entries = 0;
  #savedMs = performance.now();
  #pointsDone = 0;

  constructor(context: JobContext<VerifyJob>) {
    this.#context = context;
  }

  /** From where an attempt before this one stood. */
  goOn(): void {
    const saved = savedSchema.safeParse(this.#context.saved);
    if (!saved.success) return;
    this.#former = saved.data;
    this.through = saved.data.through;
    this.#troubles = [...saved.data.troubles];
    for (const [point, count] of saved.data.findings) this.#findings.set(point, count);
    this.#context.log(`goes on below point ${saved.data.through}`);
  }

  take(line: VerifyLine): void {
    if (line.type === 'finding') {
      this.#found(line);
      return;
    }
    this.#bytes = (this.#former?.bytes ?? 0) + line.bytes;
    this.#entries = (this.#former?.entries ?? 0) + line.entries;
    this.#context.progress({ bytes: this.#bytes, files: this.#entries });
    if (line.pointsDone > this.#pointsDone) {
      this.#pointsDone = line.pointsDone;
      this.#finished(line.point);
    }
  }

  get findings(): ReadonlyMap<number, number> {
    return this.#findings;
  }

  result(points: number): JobResult {
    const findings = [...this.#findings.values()].reduce((sum, count) => sum + count, 0);
    const damaged = this.#findings.size;
    return {
      text:
        findings === 0
          ? `${points} points are as their digests say`
          : `${findings} findings in ${damaged} of ${points} points`,
      counts: {
        points,
        findings,
        damagedPoints: damaged,
        bytes: this.#bytes,
        files: this.#entries,
      },
      troubles: this.#troubles,
      troubleCount: findings,
      notes: [],
    };
  }

  #found({ finding, point, path, block, message }: VerifyFinding): void {
    this.#findings.set(point, (this.#findings.get(point) ?? 0) + 1);
    const at = block === undefined ? '' : ` block ${block}`;
    const text = `point ${point}${at}: ${message}`;
    this.#context.log(path === undefined ? text : `${path}: ${text}`, 'error');
    if (this.#troubles.length >= TROUBLES_MAX) return;
    this.#troubles.push({ path: path ?? null, code: finding, message: text.slice(0, 1000) });
  }

  #finished(point: number): void {
    if (performance.now() - this.#savedMs < SAVE_MS) return;
    this.#savedMs = performance.now();
    if (this.#findings.size > FOUND_POINTS_MAX) return;
    const saved: Saved = {
      through: point,
      findings: [...this.#findings],
      troubles: this.#troubles,
      bytes: this.#bytes,
      entries: this.#entries,
    };
    this.#context.save(saved);
  }
}
