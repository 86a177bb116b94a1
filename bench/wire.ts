/**
 * What framing, sealing, credit and acknowledgement cost: records through the product's session and
 * receiver, through the broker and past it, beside bare publishes of the same size under the same
 * credit window, over the same broker, with sender and receiver in a process each. They take turns
 * within each round.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startBroker } from '../replica/broker/broker.js';
import { locateBroker } from '../replica/broker/locate.js';
import { newBrokerUser } from '../replica/catalog/replica-identity.js';
import { silentLog } from '../shared/log.js';
import { generateKeyPair, rawPrivate } from '../shared/seal/key-pair.js';
import type { Figure } from './figure.js';
import { costOf } from './process.js';
import { summarise } from './summary.js';
import type { Lane, WireSetup, WireTask } from './wire-end.js';

const MIB = 1024 * 1024;
/** Sent in one turn at scale 1. */
const TURN_BYTES = 512 * MIB;
const RATIO_MIN = 0.7;
const DIRECT_RATIO_MIN = 1;

export async function run(options: {
  readonly rounds: number;
  readonly scale: number;
}): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'afterimage-bench-wire-'));
  const [replica, agent] = [newBrokerUser(), newBrokerUser()];
  const broker = await startBroker({
    binary: (await locateBroker({ log: silentLog })).path,
    folder: join(folder, 'broker'),
    port: 0,
    users: {
      replicaKey: replica.key,
      agents: [{ tenant: 'bench', name: 'wire', brokerKey: agent.key }],
    },
    log: silentLog,
  });
  const setup = {
    url: broker.url,
    folder,
    replicaKey: rawPrivate(generateKeyPair()).toString('base64url'),
    agentKey: rawPrivate(generateKeyPair()).toString('base64url'),
  };
  const ends = [
    new End({ ...setup, role: 'receiver', brokerSeed: replica.seed }),
    new End({ ...setup, role: 'sender', brokerSeed: agent.seed }),
  ] as const;
  try {
    return figuresOf(await measure({ ends, brokerPid: broker.pid ?? 0, ...options }));
  } finally {
    for (const end of ends) end.stop();
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One value a round. */
interface Turns {
  /** MB/s of payload. */
  readonly speeds: number[];
  /** CPU milliseconds of sender, broker and receiver for a MB of payload. */
  readonly costs: number[];
}

async function measure(work: {
  readonly ends: readonly [End, End];
  readonly brokerPid: number;
  readonly rounds: number;
  readonly scale: number;
}): Promise<Record<Lane, Turns>> {
  const measured: Record<Lane, Turns> = {
    framed: { speeds: [], costs: [] },
    core: { speeds: [], costs: [] },
    direct: { speeds: [], costs: [] },
  };
  const [receiver, sender] = work.ends;
  const pids = [receiver.pid, sender.pid, work.brokerPid];
  const cpuS = (): number => pids.reduce((sum, pid) => sum + costOf(pid).cpuS, 0);
  const bytes = Math.max(8 * MIB, Math.round(TURN_BYTES * work.scale));
  // the first turn of each warms up the code and is not counted
  for (let round = 0; round <= work.rounds; round += 1) {
    for (const lane of round % 2 === 0 ? lanes : [...lanes].reverse()) {
      await receiver.ask({ lane, bytes });
      const before = cpuS();
      const seconds = await sender.ask({ lane, bytes });
      if (round === 0) continue;
      measured[lane].speeds.push(bytes / seconds / 1e6);
      measured[lane].costs.push(((cpuS() - before) * 1e9) / bytes);
    }
  }
  return measured;
}

const lanes = ['framed', 'core', 'direct'] as const;

function figuresOf({ framed, core, direct }: Record<Lane, Turns>): Figure[] {
  const toCore = ({ speeds }: Turns): number[] =>
    speeds.map((speed, round) => speed / (core.speeds[round] ?? NaN));
  const against = 'plain publishes of 256 KiB';
  return [
    summarise(
      { name: 'framed_vs_core_nats_256kib', unit: 'ratio', rounds: toCore(framed) },
      { against, atLeast: RATIO_MIN },
    ),
    summarise(
      { name: 'direct_vs_core_nats_256kib', unit: 'ratio', rounds: toCore(direct) },
      { against, atLeast: DIRECT_RATIO_MIN },
    ),
    summarise({ name: 'direct_256kib', unit: 'MB/s', rounds: direct.speeds }, { against }),
    summarise({ name: 'framed_256kib', unit: 'MB/s', rounds: framed.speeds }, { against }),
    summarise({ name: 'core_nats_256kib', unit: 'MB/s', rounds: core.speeds }),
    summarise({ name: 'direct_256kib_cpu', unit: 'ms/MB', rounds: direct.costs }, { against }),
    summarise({ name: 'framed_256kib_cpu', unit: 'ms/MB', rounds: framed.costs }, { against }),
    summarise({ name: 'core_nats_256kib_cpu', unit: 'ms/MB', rounds: core.costs }),
  ];
}

/** A process at one end of the wire, which does one task at a time. */
class End {
  readonly #child: ChildProcess;

  constructor(setup: WireSetup) {
    const file = fileURLToPath(new URL('./wire-end.js', import.meta.url));
    this.#child = fork(file, [JSON.stringify(setup)]);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves with the seconds that the task took. */
  ask(task: WireTask): Promise<number> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => {
        reject(new Error(`an end of the wire ended with ${code ?? 'a signal'}`));
      };
      this.#child.once('exit', onExit);
      this.#child.once('message', (seconds) => {
        this.#child.off('exit', onExit);
        resolve(Number(seconds));
      });
      this.#child.send(task);
    });
  }

  stop(): void {
    this.#child.disconnect();
  }
}
