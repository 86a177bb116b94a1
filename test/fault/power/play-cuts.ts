/** Records a set's syncs on one file system, then cuts its power many times and looks each time. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHashCore } from '../../../shared/hash/create-hash-core.js';
import { Seeded } from '../../support/seeded.js';
import { BlockDevices, type FileSystemType, homeOfDevices } from './block-devices.js';
import { checkCut, toldBefore } from './check-cut.js';
import { chooseCuts, CutImages } from './cut-image.js';
import { planSyncs, type PlannedSync } from './power-history.js';
import { type Recording, startRecording } from './recorder.js';
import { WriteLog } from './write-log.js';

/** XFS makes none smaller. */
const DEVICE_BYTES = 320 * 1024 * 1024;
const child = fileURLToPath(
  new URL('../../../dist/test/fault/power/writer-child.js', import.meta.url),
).replace(`${path.sep}dist${path.sep}dist${path.sep}`, `${path.sep}dist${path.sep}`);

export interface PowerRun {
  readonly type: FileSystemType;
  readonly seed: number;
  readonly syncs: number;
  readonly cuts: number;
  /** Environment of the process that writes, given the set's folder; a shim comes in here. */
  readonly env?: (folder: string) => Readonly<Record<string, string>>;
  log(line: string): void;
}

export interface PowerResult {
  readonly tried: number;
  readonly survived: number;
  readonly lost: number;
  readonly wrong: number;
}

/** Needs what `recorderMissing` asks for, and the test room built. */
export async function playCuts(run: PowerRun): Promise<PowerResult> {
  const parent = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const home = homeOfDevices(parent);
  const devices = new BlockDevices();
  try {
    const recording = await startRecording(devices, { home, type: run.type, bytes: DEVICE_BYTES });
    await writeSyncs(recording, run);
    await recording.finish();
    return await cutAndLook(devices, { home, recording, run });
  } finally {
    devices.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}

async function writeSyncs({ folder, marks }: Recording, run: PowerRun): Promise<void> {
  const set = path.join(folder, 'set');
  const running = spawn(
    process.execPath,
    [child, set, marks, String(run.seed), String(run.syncs)],
    { stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...run.env?.(set) } },
  );
  const code = await new Promise<number | null>((resolve) => running.once('close', resolve));
  if (code !== 0) throw new Error(`the writing process ended with ${String(code)}`);
}

async function cutAndLook(
  devices: BlockDevices,
  { home, recording, run }: { home: string; recording: Recording; run: PowerRun },
): Promise<PowerResult> {
  const result = { tried: 0, survived: 0, lost: 0, wrong: 0 };
  const random = new Seeded(run.seed);
  const syncs = planSyncs(run.seed, { count: run.syncs, core: createHashCore() });
  const log = new WriteLog(recording.log);
  try {
    const images = new CutImages(log, recording.start);
    const image = path.join(home, 'cut');
    for (const cut of chooseCuts(log.entries, { count: run.cuts, random })) {
      images.cut(cut, { image, random });
      const told = toldBefore(log.entries, cut);
      const found = await lookAt(devices, { image, type: run.type, home, told, syncs });
      fs.rmSync(image);
      result.tried += 1;
      result.lost += found.lost.length > 0 ? 1 : 0;
      result.wrong += found.wrong.length > 0 ? 1 : 0;
      if (found.lost.length + found.wrong.length === 0) result.survived += 1;
      else {
        run.log(
          `${run.type}, seed ${run.seed}, cut before entry ${cut} of ${log.entries.length}, told ${JSON.stringify(told)}: ${[...found.lost, ...found.wrong].slice(0, 5).join('; ')}`,
        );
      }
    }
  } finally {
    log.close();
  }
  return result;
}

async function lookAt(
  devices: BlockDevices,
  at: {
    readonly image: string;
    readonly type: FileSystemType;
    readonly home: string;
    readonly told: ReturnType<typeof toldBefore>;
    readonly syncs: readonly PlannedSync[];
  },
): Promise<Awaited<ReturnType<typeof checkCut>>> {
  const folder = path.join(at.home, 'after');
  fs.mkdirSync(folder, { recursive: true });
  const device = devices.loop(at.image);
  try {
    devices.mount(device, folder, at.type === 'xfs' ? 'nouuid' : 'defaults');
    return await checkCut(path.join(folder, 'set'), at);
  } finally {
    devices.down(device);
  }
}
