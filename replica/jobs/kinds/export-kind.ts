/** Writes certificates of a set, or the audit log, as lines into a new file below a restore root. */
import { exportJobSchema } from '../../../shared/api/jobs.js';
import { AfterimageError } from '../../../shared/errors.js';
import { throwIfCancelled } from '../../../shared/restore/cancelled.js';
import { TimeSlice } from '../../../shared/time-slice.js';
import { type AnyJobKind, jobKind } from '../job-kind.js';
import { NewFile } from '../new-file.js';
import type { KindDeps } from './kind-deps.js';

export interface ExportDeps extends Pick<KindDeps, 'certifier' | 'restoreRoots'> {
  /** Every entry of the audit, oldest first; there is none without it. */
  readonly auditLines?: (() => Iterable<object>) | undefined;
}

const CHUNK_BYTES = 256 * 1024;

export function exportKind(deps: ExportDeps): AnyJobKind {
  const linesOf = (set: string, what: 'certificates' | 'audit'): Iterable<object> => {
    if (what === 'audit') {
      if (deps.auditLines !== undefined) return deps.auditLines();
      throw new AfterimageError('not-found', 'this replica keeps no audit');
    }
    if (set === '') throw new AfterimageError('argument-invalid', 'name the set to export of');
    if (deps.certifier === undefined) {
      throw new AfterimageError('not-found', 'this replica certifies nothing');
    }
    return deps.certifier.export(set);
  };
  const nameOf = (set: string, what: 'certificates' | 'audit'): string =>
    what === 'audit' ? 'audit.ndjson' : `${set}-certificates.ndjson`;
  return jobKind({
    kind: 'export',
    schema: exportJobSchema,
    role: 'admin',
    about: 'any',
    effect: 'reads',
    // What was half written is removed first.
    afterInterruption: 'begins-again',
    settle: (set, request) => {
      linesOf(set, request.what);
      NewFile.check(deps.restoreRoots, `${request.to}/${nameOf(set, request.what)}`);
      return request;
    },
    target: (set, { to, what }) => `${to}/${nameOf(set, what)}`,
    run: async ({ set, request, signal, progress, id }) => {
      const path = `${request.to}/${nameOf(set, request.what)}`;
      const file = NewFile.create(deps.restoreRoots, { path, mark: id });
      const slice = new TimeSlice();
      let lines = 0;
      let text = '';
      try {
        for (const line of linesOf(set, request.what)) {
          throwIfCancelled(signal);
          text += `${JSON.stringify(line)}\n`;
          lines += 1;
          if (text.length < CHUNK_BYTES) continue;
          await file.write(Buffer.from(text));
          text = '';
          progress({ step: 'writing', bytes: file.bytes, files: lines });
          await slice.breathe();
        }
        await file.write(Buffer.from(text));
        await file.finish();
      } finally {
        await file.close();
      }
      return {
        text: `${lines} lines in ${path}`,
        counts: { lines, bytes: file.bytes },
        troubles: [],
        troubleCount: 0,
        notes: [],
      };
    },
  });
}
