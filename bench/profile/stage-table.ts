/** Where the time of one run went, so that the slowest part is seen at a glance. */
import { formatTable } from '../../cli/table.js';
import type { Profiled, Stages } from './one-run.js';

/** In these nobody computes: they tell how long one side waited for something else. */
const waits: ReadonlySet<string> = new Set(['has', 'window', 'receive', 'flush']);
/** These contain others. */
const wholes: ReadonlySet<string> = new Set(['receive', 'check', 'apply']);

interface Line {
  readonly side: string;
  readonly stage: string;
  readonly ms: number;
  readonly calls?: number;
  readonly bytes?: number;
  readonly about: string;
}

const meanings: Readonly<Record<string, string>> = {
  'agent.read': 'reading files',
  'agent.hash': 'naming blocks',
  'agent.has': 'waiting for what the replica has',
  'agent.compress': 'zstd',
  'agent.seal': 'encrypting frames and questions',
  'agent.publish': 'handing messages to the system',
  'agent.window': 'window full: waiting for the replica or the link',
  'replica.open': 'decrypting frames',
  'replica.decompress': 'zstd',
  'replica.hash': 'verifying blocks',
  'replica.receive': 'staging frames: rows and files, verifying included',
  'replica.write': 'writing new files',
  'replica.check': 'sealing: names form a tree, every block is right',
  'replica.flush': 'waiting for the disk to have it',
  'replica.apply': 'from transaction A to B: names placed, index included',
  'replica.index': 'cutting the point',
};

export function formatStages(run: Profiled): string {
  const lines = [...sideLines(run, 'agent'), brokerLine(run), ...sideLines(run, 'replica')];
  const table = formatTable<Line>(
    [
      { title: 'side', value: ({ side }) => side },
      { title: 'stage', value: ({ stage }) => stage },
      { title: 'ms', align: 'right', value: ({ ms }) => ms.toFixed(0) },
      { title: '% of wall', align: 'right', value: ({ ms }) => ((ms / run.ms) * 100).toFixed(0) },
      { title: 'calls', align: 'right', value: ({ calls }) => calls?.toFixed(0) ?? '' },
      { title: 'MB', align: 'right', value: ({ bytes = 0 }) => (bytes / 1e6).toFixed(1) },
      {
        title: 'MB/s',
        align: 'right',
        value: ({ bytes = 0, ms }) => (bytes === 0 || ms < 1 ? '' : (bytes / 1e3 / ms).toFixed(0)),
      },
      { title: 'what', value: ({ about }) => about },
    ],
    lines,
  );
  return `${headline(run)}\n\n${table}`;
}

function headline(run: Profiled): string {
  const { agent = 0, replica = 0, broker = 0 } = run.cpuSOf;
  const cpu = [
    ['agent', agent],
    ['broker', broker],
    ['replica', replica],
  ] as const;
  const [busiest = '', most = 0] = cpu.toSorted((a, b) => b[1] - a[1])[0] ?? [];
  const full = ((run.agent['window']?.ms ?? 0) / run.ms) * 100;
  const side =
    full > 50 ? 'the replica or the link holds the agent up' : 'the agent does not wait for credit';
  return (
    `${(run.ms / 1000).toFixed(2)} s, ${run.cpuS.toFixed(2)} s CPU; ` +
    `busiest: ${busiest} with ${((most * 1e5) / run.ms).toFixed(0)} % of a core; ` +
    `window full ${full.toFixed(0)} % of the time: ${side}`
  );
}

function sideLines(run: Profiled, side: 'agent' | 'replica'): Line[] {
  const stages: Stages = run[side];
  const named = Object.entries(stages).map(([stage, { ms, calls, bytes }]) => ({
    ...{ side, stage, ms, calls, bytes },
    about: meanings[`${side}.${stage}`] ?? '',
  }));
  const cpuMs = (run.cpuSOf[side] ?? 0) * 1000;
  const counted = named
    .filter(({ stage }) => !waits.has(stage) && !wholes.has(stage))
    .reduce((sum, { ms }) => sum + ms, 0);
  return [
    ...named,
    { side, stage: 'CPU', ms: cpuMs, about: 'processor time of the whole process' },
    {
      side,
      stage: 'rest',
      ms: Math.max(0, cpuMs - counted),
      about: 'of it in no stage that computes: start, rows, records, the event loop, collecting',
    },
  ];
}

function brokerLine({ cpuSOf }: Profiled): Line {
  const ms = (cpuSOf['broker'] ?? 0) * 1000;
  return { side: 'broker', stage: 'CPU', ms, about: 'processor time of nats-server' };
}
