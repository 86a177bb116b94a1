/**
 * Compares files that are there with the point's, and writes into them where that is how they become
 * the same.
 */
import { closeSync } from 'node:fs';
import type { HashCore } from '../hash/hash-core.js';
import { differingRanges, isSameSmallFile, rangeBytes } from './compare-file.js';
import type { LocalState } from './local-state.js';
import type { OpenFolder } from './open-folder.js';
import type { Outcome } from './outcome.js';
import type { PlannedAction, PlanRules } from './plan.js';
import type { PointSource } from './point-source.js';
import type { Step } from './step.js';

export type Comparison = PlannedAction & { readonly type: 'compare' };

export interface FileContentsContext {
  readonly source: PointSource;
  readonly hash: HashCore;
  readonly local: LocalState;
  readonly rules: PlanRules;
  readonly outcome: Outcome;
  readonly signal: AbortSignal;
  readonly push: (step: Step) => Promise<void>;
}

export class FileContents {
  readonly #context: FileContentsContext;
  /** Files on disk with several names: which node each stands for, so that no two share one. */
  readonly #claims = new Map<string, number>();

  constructor(context: FileContentsContext) {
    this.#context = context;
  }

  /**
   * Pushes patches of the blocks that differ. A file with other names on disk is never written into,
   * because those may belong to somebody else: it is replaced as soon as anything differs. So is one
   * that a policy may keep, so that none is ever half of each.
   */
  async patch(
    folder: OpenFolder,
    path: Buffer,
    { wanted: { name, version, digests }, local: { status }, metadata }: Comparison,
  ): Promise<'replace' | { readonly bytes: number }> {
    const { source, hash, local, rules, outcome, signal, push } = this.#context;
    const linked = status.nlink > 1;
    const whole = linked || rules.conflict.type !== 'overwrite';
    if (whole && status.size !== version.size) return 'replace';
    if (linked) {
      const key = `${status.dev}:${status.ino}`;
      const claimed = this.#claims.get(key) ?? version.node;
      if (claimed !== version.node || metadata.length > 0) return 'replace';
      this.#claims.set(key, version.node);
    }
    const fd = local.openFile(folder, name);
    let bytes = 0;
    try {
      const { node, size } = version;
      const file = { hash, node, size, fd, localSize: status.size, digests };
      if (isSameSmallFile(file)) {
        outcome.bytesCompared += size;
        outcome.advance({ bytes: size });
        return { bytes };
      }
      const request = { ...file, source, signal };
      for await (const { ranges, comparedBytes } of differingRanges(request)) {
        const differing = rangeBytes(ranges, version.size);
        outcome.bytesCompared += comparedBytes;
        if (differing > 0 && whole) return 'replace';
        outcome.advance({ bytes: comparedBytes - differing });
        bytes += differing;
        if (differing > 0) await push({ type: 'patch', path, version, ranges });
      }
    } finally {
      closeSync(fd);
    }
    return { bytes };
  }
}
