/** `unmount`: takes a mount away, with what it left behind. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { endMount, sweepMounts } from '../mount/end-mount.js';
import { MountRecords, recordsFolder } from '../mount/mount-records.js';
import { loadMountBinding } from '../mount/native-mount.js';
import { addVerb, type Invoke } from '../verb.js';

export function addUnmount(program: Command, invoke: Invoke): void {
  addVerb(program, 'unmount', 'Take away what mount showed')
    .argument('<folder>', 'where it was mounted')
    .option('--lazy', 'also when it is in use: it ends when nobody uses it any more')
    .action((asked: string, options: { readonly lazy?: boolean }, command: Command) =>
      invoke(command, async (context) => {
        const { env, folder: here } = context.io;
        const folder = resolve(here, asked);
        const means = {
          binding: loadMountBinding(),
          records: new MountRecords(recordsFolder(env)),
        };
        const swept = await sweepMounts(means);
        const record = means.records.list().findLast((one) => one.folder === folder);
        if (record !== undefined) {
          await endMount(record, means, options.lazy === true ? 'lazy' : 'idle');
        } else if (!swept.includes(folder)) {
          throw new AfterimageError('not-found', `nothing of ours is mounted at ${folder}`);
        }
        const kept = record?.scratch?.stays === true ? record.scratch.folder : null;
        await context.print({ type: 'unmounted', folder, kept }, () =>
          kept === null ? '' : `what was written stays in ${kept}\n`,
        );
        return ExitCode.ok;
      }),
    );
}
