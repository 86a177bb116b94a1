/** `mount`: a point, the points of a set, or all sets, as folders of this machine. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { createLog } from '../../shared/log.js';
import type { MountScope } from '../mount/layout.js';
import { sweepMounts } from '../mount/end-mount.js';
import { type MountRecord, MountRecords, recordsFolder } from '../mount/mount-records.js';
import { loadMountBinding } from '../mount/native-mount.js';
import { type MountOrder, runMount, sourceName } from '../mount/run-mount.js';
import { startMount } from '../mount/start-mount.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

interface Options {
  readonly writable?: boolean;
  readonly scratch?: string;
  readonly keep?: boolean;
  readonly foreground?: boolean;
  readonly patience: number;
}

const PATIENCE_MS = 15_000;

export function addMount(program: Command, invoke: Invoke): void {
  addVerb(program, 'mount', 'Show a point, a set or all sets as a folder')
    .argument('<what>', 'SET@POINT, or SET for all its points; the folder, for all sets')
    .argument('[folder]', 'empty; made when it is not there')
    .option('--writable', 'let programs write: what they write goes to a scratch folder')
    .option('--scratch <folder>', 'that folder; a temporary one when left out')
    .option('--keep', 'leave the scratch folder when it is unmounted')
    .option('--foreground', 'stay, and unmount on Ctrl-C')
    .option(
      '--patience <seconds>',
      'how long reads wait for a replica that is away',
      parseSeconds,
      PATIENCE_MS,
    )
    .action((what: string, folder: string | undefined, options: Options, command: Command) =>
      invoke(command, async (context) => {
        checkOptions(options);
        const scope = await findScope(context, folder === undefined ? undefined : what);
        const order = orderOf(context, { scope, folder: folder ?? what, options });
        const records = new MountRecords(order.records);
        await sweepMounts({ binding: loadMountBinding(), records });
        if (options.foreground === true) await stay(context, order);
        else await say(context, await startMount(order));
        return ExitCode.ok;
      }),
    );
}

function checkOptions({ writable, scratch, keep }: Options): void {
  if (writable === true || (scratch === undefined && keep !== true)) return;
  throw new AfterimageError('argument-invalid', '--scratch and --keep go with --writable');
}

async function findScope(context: VerbContext, what: string | undefined): Promise<MountScope> {
  if (what === undefined) return { type: 'sets' };
  if (!what.includes('@')) return { type: 'set', set: what };
  const { set, point } = await context.findPoint(what);
  return { type: 'point', set, point };
}

function orderOf(
  context: VerbContext,
  asked: { readonly scope: MountScope; readonly folder: string; readonly options: Options },
): MountOrder {
  const { scope, options } = asked;
  const { io } = context;
  const at = (path: string): string => resolve(io.folder, path);
  const scratch = options.scratch === undefined ? {} : { scratch: at(options.scratch) };
  return {
    connection: context.connection,
    scope,
    folder: at(asked.folder),
    records: recordsFolder(io.env),
    patienceMs: options.patience,
    ...(options.writable === true
      ? { writable: { ...scratch, keeps: options.keep === true } }
      : {}),
  };
}

async function say(context: VerbContext, record: MountRecord): Promise<void> {
  const { folder, scratch, scope } = record;
  await context.print({ type: 'mounted', ...record }, () => {
    const written =
      scratch === null ? 'read-only' : `writable, what is written goes to ${scratch.folder}`;
    return `${sourceName(scope)} is at ${folder}, ${written}\n`;
  });
}

async function stay(context: VerbContext, order: MountOrder): Promise<void> {
  const mount = await runMount(
    order,
    createLog({
      write: (line) => {
        context.io.err(line);
      },
    }),
  );
  await say(context, mount.record);
  const { signal } = context.io;
  const stop = (): void => void mount.stop();
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  await mount.ended;
  signal.removeEventListener('abort', stop);
}

function parseSeconds(text: string): number {
  const value = Number(text);
  if (/^\d{1,6}$/.test(text)) return value * 1000;
  throw new InvalidArgumentError('give seconds.');
}
