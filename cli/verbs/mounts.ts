/** `mounts`: what this user has mounted; cleans up after mounts whose process is gone. */
import type { Command } from 'commander';
import { ExitCode } from '../../shared/errors.js';
import { formatTime } from '../format.js';
import { sweepMounts } from '../mount/end-mount.js';
import { type MountRecord, MountRecords, recordsFolder } from '../mount/mount-records.js';
import { loadMountBinding } from '../mount/native-mount.js';
import { sourceName } from '../mount/run-mount.js';
import { formatTable } from '../table.js';
import { addVerb, type Invoke } from '../verb.js';

export function addMounts(program: Command, invoke: Invoke): void {
  addVerb(program, 'mounts', 'List what is mounted').action((_options: unknown, command: Command) =>
    invoke(command, async (context) => {
      const records = new MountRecords(recordsFolder(context.io.env));
      for (const folder of await sweepMounts({ binding: loadMountBinding(), records })) {
        context.io.err(`The mount at ${folder} had no process any more and was removed.\n`);
      }
      const list = records.list();
      if (context.json) {
        for (const record of list) await context.print({ type: 'mount', ...record }, () => '');
        return ExitCode.ok;
      }
      if (list.length === 0) return ExitCode.ok;
      await context.io.out(
        formatTable<MountRecord>(
          [
            { title: 'what', value: ({ scope }) => sourceName(scope) },
            { title: 'folder', value: ({ folder }) => folder },
            { title: 'since', value: ({ startedMs }) => formatTime(startedMs) },
            { title: 'written to', value: ({ scratch }) => scratch?.folder ?? '-' },
            { title: 'log', value: ({ log }) => log },
          ],
          list,
        ),
      );
      return ExitCode.ok;
    }),
  );
}
