/** One set with real files, a real state and a fake session, for tests of planning. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../shared/clock.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { silentLog } from '../../../shared/log.js';
import { loadPosix } from '../../../shared/posix/load-posix.js';
import { DedupIndex } from '../../../agent/dedup/dedup-index.js';
import { createRoundsEngine } from '../../../agent/image/rounds-engine.js';
import { Journal } from '../../../agent/journal/journal.js';
import { PathFilter, type PathPatterns } from '../../../agent/plan/path-filter.js';
import {
  syncSet,
  type SetParts,
  type SyncRequest,
  type SyncResult,
} from '../../../agent/pipeline.js';
import { AgentState } from '../../../agent/state.js';
import { BlockMeter } from '../../../agent/workers/block-meter.js';
import { createWorkshop } from '../../../agent/workers/create-workshop.js';
import { FakeSession } from './fake-session.js';

export interface AgentBench {
  readonly folder: string;
  /** The one root, named `root`. */
  readonly root: string;
  session: FakeSession;
  set: SetParts;
  readonly said: string[];
  sync(request?: Partial<SyncRequest>): Promise<SyncResult>;
  /** Closes state and journal and opens them again, as a new process would. */
  restart(): void;
  close(): void;
}

export function openBench(
  options: {
    readonly set?: Partial<SetParts>;
    readonly patterns?: PathPatterns;
    /** For the agent's data, kept from before or new; a temporary one when left out. */
    readonly folder?: string;
    readonly session?: FakeSession;
  } = {},
): AgentBench {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'afterimage-agent-'));
  const root = join(folder, 'root');
  mkdirSync(root, { recursive: true });
  const core = createHashCore();
  const said: string[] = [];
  const open = (session: FakeSession): SetParts => {
    const state = new AgentState(join(folder, 'state.db'));
    const journal = new Journal({ path: join(folder, 'journal.db'), clock: systemClock });
    return {
      name: 'test',
      roots: [{ name: 'root', path: root }],
      roundsMax: 3,
      state,
      journal,
      session,
      posix: loadPosix(),
      core,
      meter: new BlockMeter(),
      work: createWorkshop({
        workers: 0,
        createCore: createHashCore,
        posix: loadPosix(),
        log: silentLog,
      }),
      index: new DedupIndex(state, { memoryBytesMax: 64 * 1024 * 1024 }),
      filter: new PathFilter(options.patterns ?? { include: [], exclude: [] }),
      engine: createRoundsEngine(),
      recipe: () => ({
        name: 'none',
        consistency: 'crash',
        hold: () => Promise.reject(new Error('not held')),
      }),
      ownFolders: [],
      clock: systemClock,
      log: silentLog,
      sayOnce: (message) => void said.push(message),
      ...options.set,
    };
  };
  const session = options.session ?? new FakeSession(createHashCore());
  const bench: AgentBench = {
    folder,
    root,
    session,
    set: open(session),
    said,
    sync: (request = {}) =>
      syncSet(bench.set, {
        operation: 'manual',
        always: false,
        signal: new AbortController().signal,
        ...request,
      }),
    restart() {
      bench.set.state.close();
      bench.set.journal.close();
      bench.session = new FakeSession(createHashCore(), bench.session.replica);
      bench.set = open(bench.session);
    },
    close() {
      bench.set.state.close();
      bench.set.journal.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return bench;
}
