/** `man`: prints the manual page, for `man -l -` or an installation. */
import type { Command } from 'commander';
import { ExitCode } from '../../shared/errors.js';
import { manPage } from '../man-page.js';
import { addVerb, type Invoke } from '../verb.js';
import { ownVersion } from '../version.js';

export function addMan(program: Command, invoke: Invoke): void {
  addVerb(program, 'man', 'Print the manual page, in roff').action(
    (_options: unknown, command: Command) =>
      invoke(command, async ({ io }) => {
        await io.out(manPage({ program, version: ownVersion() }));
        return ExitCode.ok;
      }),
  );
}
