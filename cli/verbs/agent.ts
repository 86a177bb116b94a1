/** `agent`: runs the agent of an application server until it is told to stop. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readAgentConfig } from '../../shared/config/agent-config.js';
import { ExitCode } from '../../shared/errors.js';
import { createLog } from '../../shared/log.js';
import { untilStopped } from '../replica-options.js';
import { createServiceNotifier } from '../service-notify.js';
import { ownVersion } from '../version.js';
import { addVerb, type Invoke } from '../verb.js';

export function addAgent(program: Command, invoke: Invoke): void {
  addVerb(program, 'agent', 'Run the agent of an application server')
    .requiredOption('--config <file>', "the agent's configuration; see docs/reference/config.md")
    .action((options: { readonly config: string }, command: Command) =>
      invoke(command, async (context) => {
        const { io } = context;
        const file = resolve(io.folder, options.config);
        const { logLevel, sets } = readAgentConfig(file);
        const log = createLog({
          level: logLevel,
          json: context.json || !io.errIsTerminal,
          write: (line) => {
            io.err(line);
          },
        });
        const { startAgent } = await import('../../agent/main.js');
        const running = await startAgent(file, log, ownVersion());
        const names = sets.map(({ name }) => name);
        const service = createServiceNotifier(io.env, log);
        try {
          await context.print(
            { type: 'protecting', sets: names },
            () => `protecting ${names.join(', ')}\n`,
          );
          service.ready(`protecting ${names.join(', ')}`);
          await untilStopped(io.signal);
          service.stopping();
        } finally {
          await running.stop();
          service.close();
        }
        return ExitCode.ok;
      }),
    );
}
