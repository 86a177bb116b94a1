/**
 * Cuts the power under an agent's data while it syncs, to any instant, and opens it on what its disk
 * holds: the replica has every point that it had told of, the agent must know where it stands, and
 * the next points must equal the source (R12, R13; promise 2). Rows are written in masses, so that
 * the thread that brings the log into the database is at work in most syncs.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readState, settleHello, takeReplicaState } from '../../../agent/schedule/begin-set.js';
import { messageOf } from '../../../shared/errors.js';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { type AgentBench, openBench } from '../../agent/support/agent-bench.js';
import { FakeSession } from '../../agent/support/fake-session.js';
import { ModelReplica } from '../../agent/support/model-replica.js';
import { differences } from '../../agent/support/tree-compare.js';
import { Seeded } from '../../support/seeded.js';
import { BlockDevices, type FileSystemType, homeOfDevices } from './block-devices.js';
import { ChangingSource } from './changing-source.js';
import { type Told, toldBefore } from './check-cut.js';
import { chooseCuts, CutImages } from './cut-image.js';
import type { PowerResult } from './play-cuts.js';
import { type Recording, startRecording } from './recorder.js';
import { WriteLog } from './write-log.js';

/** XFS makes none smaller. */
const DEVICE_BYTES = 320 * 1024 * 1024;
const DATA = 'agent';
const AFTERWARDS = 40;
const MOUNT_TRIES = 10;

export interface AgentPowerRun {
  readonly type: FileSystemType;
  readonly seed: number;
  readonly files: number;
  /** Files that change before each sync but the first. */
  readonly changes: number;
  readonly syncs: number;
  readonly cuts: number;
  log(line: string): void;
}

/** Bytes of the database that checkpoints wrote while it was open: none means that none was tried. */
export type AgentPowerResult = PowerResult & { readonly checkpointedBytes: number };

/** What is the same for all cuts of a recording. */
interface Played {
  readonly source: ChangingSource;
  /** The replica as it was when it had told of the n-th point. */
  readonly replicas: readonly ModelReplica[];
}

/** Needs what `recorderMissing` asks for. */
export async function playAgentCuts(run: AgentPowerRun): Promise<AgentPowerResult> {
  const parent = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const home = homeOfDevices(parent);
  const devices = new BlockDevices();
  try {
    const recording = await startRecording(devices, { home, type: run.type, bytes: DEVICE_BYTES });
    const source = new ChangingSource(path.join(home, 'source'), new Seeded(run.seed));
    const { replicas, checkpointedBytes } = await recordSyncs(recording, { run, source });
    await recording.finish();
    const result = await cutAndLook(devices, {
      home,
      recording,
      run,
      played: { source, replicas },
    });
    return { ...result, checkpointedBytes };
  } finally {
    devices.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}

function openAgent(folder: string, source: ChangingSource, replica: ModelReplica): AgentBench {
  const session = new FakeSession(createHashCore(), replica);
  const roots = [{ name: 'root', path: source.root }];
  return openBench({ folder, session, set: { roots } });
}

async function recordSyncs(
  { folder, marks }: Recording,
  { run, source }: { readonly run: AgentPowerRun; readonly source: ChangingSource },
): Promise<{ replicas: ModelReplica[]; checkpointedBytes: number }> {
  const to = fs.openSync(marks, 'w');
  const data = path.join(folder, DATA);
  const replica = new ModelReplica(createHashCore());
  const replicas = [replica.fork()];
  const agent = openAgent(data, source, replica);
  try {
    // Heard before the agent hears it: what it stores of it comes after the mark.
    agent.session.onEvent((event) => {
      if (event.type !== 'committed') return;
      replicas.push(replica.fork());
      fs.writeSync(to, `committed ${event.point}\n`);
    });
    source.add(run.files);
    for (let sync = 1; sync <= run.syncs; sync += 1) {
      await agent.sync({ always: true });
      source.change(run.changes);
    }
    return { replicas, checkpointedBytes: fs.statSync(path.join(data, 'state.db')).size };
  } finally {
    agent.close();
    fs.closeSync(to);
  }
}

async function cutAndLook(
  devices: BlockDevices,
  at: { home: string; recording: Recording; run: AgentPowerRun; played: Played },
): Promise<PowerResult> {
  const { home, recording, run, played } = at;
  const result = { tried: 0, survived: 0, lost: 0, wrong: 0 };
  const random = new Seeded(run.seed);
  const log = new WriteLog(recording.log);
  try {
    const images = new CutImages(log, recording.start);
    const image = path.join(home, 'cut');
    for (const cut of chooseCuts(log.entries, { count: run.cuts, random })) {
      const cutAnew = (): void => {
        images.cut(cut, { image, random });
      };
      const told = toldBefore(log.entries, cut);
      const found = await lookAt(devices, { image, cutAnew, type: run.type, home, told, played });
      fs.rmSync(image);
      result.tried += 1;
      result.lost += found.lost.length > 0 ? 1 : 0;
      result.wrong += found.wrong.length > 0 ? 1 : 0;
      if (found.lost.length + found.wrong.length === 0) result.survived += 1;
      else {
        const said = [...found.lost, ...found.wrong].slice(0, 5).join('; ');
        const where = `cut before entry ${cut} of ${log.entries.length}`;
        run.log(
          `agent on ${run.type}, seed ${run.seed}, ${where}, ${JSON.stringify(told)}: ${said}`,
        );
      }
    }
  } finally {
    log.close();
  }
  return result;
}

interface Found {
  readonly lost: string[];
  readonly wrong: string[];
}

async function lookAt(
  devices: BlockDevices,
  at: {
    readonly image: string;
    readonly cutAnew: () => void;
    readonly type: FileSystemType;
    readonly home: string;
    readonly told: Told;
    readonly played: Played;
  },
): Promise<Found> {
  const folder = path.join(at.home, 'after');
  fs.mkdirSync(folder, { recursive: true });
  const device = mountCut(devices, { ...at, folder });
  try {
    return await checkAgent(path.join(folder, DATA), at.told, at.played);
  } finally {
    devices.down(device);
  }
}

/**
 * A disk may tear the file system's own superblock, written outside of its journal: nothing can be
 * mounted then. That is not the agent's, so power is cut there again, with another mix.
 */
function mountCut(
  devices: BlockDevices,
  at: {
    readonly image: string;
    readonly cutAnew: () => void;
    readonly type: FileSystemType;
    readonly folder: string;
  },
): string {
  for (let tries = 1; ; tries += 1) {
    at.cutAnew();
    const device = devices.loop(at.image);
    try {
      devices.mount(device, at.folder, at.type === 'xfs' ? 'nouuid' : 'defaults');
      return device;
    } catch (error) {
      devices.down(device);
      if (tries === MOUNT_TRIES) throw error;
    }
  }
}

/** Never throws for what the agent does. */
async function checkAgent(folder: string, told: Told, played: Played): Promise<Found> {
  const { source, replicas } = played;
  const found: Found = { lost: [], wrong: [] };
  const replica = replicas[told.committed]?.fork();
  if (replica === undefined) throw new Error(`no replica at point ${told.committed}`);
  let agent: AgentBench;
  try {
    agent = openAgent(folder, source, replica);
  } catch (error) {
    return { ...found, lost: [`the state does not open: ${messageOf(error)}`] };
  }
  try {
    const { set, session } = agent;
    const outcome = await session.start(() => set.state.position());
    const diverged = await settleHello(set, outcome);
    await readState(set);
    if (diverged !== undefined) {
      const { point } = set.state.committed;
      found.lost.push(`at point ${told.committed} the agent is at ${point}: ${diverged.reason}`);
      await takeReplicaState(set, diverged);
    }
    for (const changes of [0, AFTERWARDS]) {
      source.change(changes);
      await agent.sync({ always: true });
      found.wrong.push(...differences(replica.state, { root: source.root }));
    }
  } catch (error) {
    found.wrong.push(messageOf(error));
  } finally {
    agent.close();
  }
  return found;
}
