/** `completion`: prints what a shell needs to complete this command. */
import { Argument, type Command } from 'commander';
import { ExitCode } from '../../shared/errors.js';
import { completionScript, type Shell, shells } from '../completion.js';
import { addVerb, type Invoke } from '../verb.js';

export function addCompletion(program: Command, invoke: Invoke): void {
  addVerb(program, 'completion', 'Print the completion script of a shell')
    .addArgument(new Argument('<shell>', 'whose').choices(shells))
    .action((shell: Shell, _options: unknown, command: Command) =>
      invoke(command, async ({ io }) => {
        await io.out(completionScript(program, shell));
        return ExitCode.ok;
      }),
    );
}
