/** `replica`: runs the replica until it is told to stop. */
import type { Command } from 'commander';
import { ExitCode } from '../../shared/errors.js';
import { createLog } from '../../shared/log.js';
import {
  addReplicaOptions,
  findReplicaConfig,
  type ReplicaOptions,
  untilStopped,
} from '../replica-options.js';
import { createServiceNotifier } from '../service-notify.js';
import { addVerb, type Invoke } from '../verb.js';
import { ownVersion } from '../version.js';

export function addReplica(program: Command, invoke: Invoke): void {
  addReplicaOptions(addVerb(program, 'replica', 'Run the replica')).action(
    (options: ReplicaOptions, command: Command) =>
      invoke(command, async (context) => {
        const { io } = context;
        const config = findReplicaConfig(options, io);
        const log = createLog({
          level: config.logLevel,
          json: context.json || !io.errIsTerminal,
          write: (line) => {
            io.err(line);
          },
        });
        const { runReplica } = await import('../../replica/replica.js');
        const running = await runReplica(config, { log, version: ownVersion() });
        const { url, brokerUrl } = running;
        const service = createServiceNotifier(io.env, log);
        try {
          await context.print(
            { type: 'serving', url, brokerUrl, dataFolder: config.dataFolder },
            () => `serving ${url}, broker ${brokerUrl}, data in ${config.dataFolder}\n`,
          );
          service.ready(`serving ${url}`);
          await untilStopped(io.signal);
          service.stopping();
        } finally {
          await running.close();
          service.close();
        }
        return ExitCode.ok;
      }),
  );
}
