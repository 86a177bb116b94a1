/** `broker`: finds or fetches the broker, or runs one for a replica that does not run its own. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Address, parseAddress } from '../../shared/config/replica-config.js';
import { ExitCode } from '../../shared/errors.js';
import { createLog } from '../../shared/log.js';
import {
  addReplicaOptions,
  findReplicaConfig,
  type ReplicaOptions,
  untilStopped,
} from '../replica-options.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

interface Options extends ReplicaOptions {
  readonly listen: Address;
  readonly locate?: boolean;
}

const LISTEN_DEFAULT: Address = { host: '127.0.0.1', port: 4222 };

export function addBroker(program: Command, invoke: Invoke): void {
  const verb = addVerb(program, 'broker', 'Run a broker for a replica that does not run its own');
  addReplicaOptions(verb)
    .addOption(
      new Option('--listen <address>', 'host:port')
        .argParser(listen)
        .default(LISTEN_DEFAULT, '127.0.0.1:4222'),
    )
    .option('--locate', 'only find nats-server, fetch it when it is missing, and say where it is')
    .action((options: Options, command: Command) =>
      invoke(command, async (context) => {
        await (options.locate === true ? locate(context) : run(context, options));
        return ExitCode.ok;
      }),
    );
}

function listen(text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new InvalidArgumentError('give host:port.');
}

async function locate(context: VerbContext): Promise<void> {
  const { locateBroker } = await import('../../replica/broker/locate.js');
  const binary = await locateBroker({ log: createLog({ level: 'warn' }) });
  await context.print(binary, () => `${binary.path} ${binary.version} (${binary.origin})\n`);
}

async function run(context: VerbContext, options: Options): Promise<void> {
  const { io } = context;
  const config = findReplicaConfig(options, io);
  const log = createLog({ level: config.logLevel });
  const { openReplicaData } = await import('../../replica/replica.js');
  const { runOwnBroker } = await import('../../replica/broker/own-broker.js');
  const { catalog, identity } = openReplicaData(config.dataFolder);
  try {
    const broker = await runOwnBroker({
      config: {
        type: 'embedded',
        listen: options.listen,
        publicUrl: undefined,
        binary: undefined,
        tls: undefined,
      },
      dataFolder: config.dataFolder,
      catalog,
      identity,
      log,
    });
    try {
      await context.print({ type: 'serving', url: broker.url }, () => `broker at ${broker.url}\n`);
      await untilStopped(io.signal);
    } finally {
      await broker.stop();
    }
  } finally {
    catalog.close();
  }
}
