/** The kinds of jobs that a replica does, a line each. */
import type { AnyJobKind } from '../job-kind.js';
import { archiveKind } from './archive-kind.js';
import { exportKind, type ExportDeps } from './export-kind.js';
import type { KindDeps } from './kind-deps.js';
import { pruneKind } from './prune-kind.js';
import { restoreHereKind } from './restore-kind.js';
import { scrubKind } from './scrub-kind.js';
import { syncKind } from './sync-kind.js';
import { verifyKind } from './verify-kind.js';

export function jobKinds(deps: KindDeps & Pick<ExportDeps, 'auditLines'>): AnyJobKind[] {
  return [
    syncKind(deps),
    verifyKind(deps),
    scrubKind(deps),
    pruneKind(deps),
    restoreHereKind(deps),
    exportKind(deps),
    archiveKind(deps),
  ];
}
