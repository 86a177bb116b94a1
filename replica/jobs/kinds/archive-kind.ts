/** Writes paths of a point as a tar or zip file into a folder of the replica, below a restore root. */
import { archiveJobSchema } from '../../../shared/api/jobs.js';
import { AfterimageError } from '../../../shared/errors.js';
import { throwIfCancelled } from '../../../shared/restore/cancelled.js';
import { tarArchive } from '../../serve/download/tar-archive.js';
import { zipArchive } from '../../serve/download/zip-archive.js';
import { findPoint, findSet, pathOf } from '../../serve/requests.js';
import { type AnyJobKind, jobKind } from '../job-kind.js';
import { NewFile } from '../new-file.js';
import type { KindDeps } from './kind-deps.js';

export function archiveKind(deps: KindDeps): AnyJobKind {
  return jobKind({
    kind: 'archive',
    schema: archiveJobSchema,
    role: 'operator',
    about: 'set',
    effect: 'reads',
    // What was half written is removed first.
    afterInterruption: 'begins-again',
    settle: (set, request) => {
      if (!request.to.endsWith(`.${request.format}`)) {
        throw new AfterimageError('argument-invalid', `to: does not end in .${request.format}`);
      }
      NewFile.check(deps.restoreRoots, request.to);
      const { point } = findPoint(findSet(deps.sets(), set), request.point);
      return { ...request, point: String(point) };
    },
    target: (_set, { to }) => to,
    run: async ({ set, request, signal, progress, id }) => {
      const served = findSet(deps.sets(), set);
      const summary = findPoint(served, request.point);
      const file = NewFile.create(deps.restoreRoots, { path: request.to, mark: id });
      const view = served.reader.open(summary.point);
      let entries = 0;
      try {
        const onEntry = (): void => {
          entries += 1;
        };
        const asked = { view, paths: request.paths.map(pathOf), onEntry };
        const whole = request.paths.length === 0;
        progress({ step: 'writing', filesTotal: whole ? summary.files : null });
        for await (const piece of request.format === 'tar'
          ? tarArchive(asked)
          : zipArchive(asked)) {
          throwIfCancelled(signal);
          await file.write(piece);
          progress({ bytes: file.bytes, files: entries });
        }
        await file.finish();
      } finally {
        view.close();
        await file.close();
      }
      return {
        text: `${entries} entries in ${request.to}`,
        counts: { entries, bytes: file.bytes },
        troubles: [],
        troubleCount: 0,
        notes: [],
      };
    },
  });
}
