/**
 * `enroll`: lets a new agent in, on the replica's machine, and writes the file that it needs; asks one
 * that is in for new keys, or gives the replica new ones.
 */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { ReplicaConfig } from '../../shared/config/replica-config.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { formatTime } from '../format.js';
import { addReplicaOptions, findReplicaConfig, type ReplicaOptions } from '../replica-options.js';
import { addVerb, type Invoke } from '../verb.js';
import { adoptRefused, askForKeys, changeReplicaKeys } from '../change-keys.js';

const DAY_MS = 24 * 3600 * 1000;
const VALID_DAYS_DEFAULT = 7;
const VALID_DAYS_MAX = 365;

interface Options extends ReplicaOptions {
  readonly out?: string;
  readonly broker?: string;
  readonly valid: number;
  readonly adopt?: boolean;
  readonly rotate?: boolean;
  readonly replica?: boolean;
  readonly retire?: boolean;
}

export function addEnroll(program: Command, invoke: Invoke): void {
  addReplicaOptions(addVerb(program, 'enroll', "Let a new agent in, on the replica's machine"))
    .argument('[name]', 'name of the agent: a-z, 0-9, _ and -')
    .option('--out <file>', 'where to write the enrolment; NAME.enrolment.json when left out')
    .option('--broker <url>', 'the broker as the agent reaches it')
    .option('--valid <days>', 'how long the enrolment can be used', days, VALID_DAYS_DEFAULT)
    .option('--adopt', 'let in the machine of this name that is refused as a copy of another')
    .option('--rotate', 'ask an agent that is enrolled for new keys; no file is needed')
    .option('--replica', 'with --rotate: new keys for the replica itself, in place of an agent')
    .option('--retire', 'with --replica: refuse its older keys now, whoever still uses them')
    .action((given: string | undefined, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const { io } = context;
        const config = findReplicaConfig(options, io);
        if (options.replica === true) return await changeReplicaKeys(context, config, options);
        if (options.retire === true) {
          throw new AfterimageError('argument-invalid', 'give --retire with --replica');
        }
        const name = requireName(given);
        if (options.adopt === true) return await adoptRefused(context, config, name);
        if (options.rotate === true) return await askForKeys(context, config, name);
        const { openReplicaData } = await import('../../replica/replica.js');
        const { enrollAgent } = await import('../../replica/catalog/enroll.js');
        const file = resolve(io.folder, options.out ?? `${name}.enrolment.json`);
        const { ownBrokerPort } = await import('../../replica/broker/own-broker.js');
        const brokerUrl = options.broker ?? brokerUrlOf(config, ownBrokerPort);
        const { catalog, identity } = openReplicaData(config.dataFolder);
        try {
          const { expiresMs } = await enrollAgent({
            catalog,
            identity,
            tenant: config.tenant,
            name,
            brokerUrl,
            file,
            validMs: options.valid * DAY_MS,
          });
          const object = { agent: name, tenant: config.tenant, brokerUrl, file, expiresMs };
          await context.print(object, () => {
            const until = `to be used once, until ${formatTime(expiresMs)}`;
            return `enrolled ${name}: ${file} is for its machine only, ${until}\n`;
          });
        } finally {
          catalog.close();
        }
        if (isLoopback(brokerUrl)) {
          io.err(
            `note: agents on other machines cannot reach ${brokerUrl}; name the broker with --broker or broker.public_url\n`,
          );
        }
        return ExitCode.ok;
      }),
    );
}

function requireName(name: string | undefined): string {
  if (name !== undefined) return name;
  throw new AfterimageError('argument-invalid', 'name the agent');
}

function days(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0 && value <= VALID_DAYS_MAX) return value;
  throw new InvalidArgumentError(`give days, at most ${VALID_DAYS_MAX}.`);
}

function brokerUrlOf(
  { broker, dataFolder }: ReplicaConfig,
  portOf: (dataFolder: string, listen: { readonly port: number }) => number,
): string {
  if (broker.type === 'external') return broker.url;
  const { host } = broker.listen;
  const scheme = broker.tls === undefined ? 'nats' : 'tls';
  if (broker.publicUrl !== undefined) return broker.publicUrl;
  const port = portOf(dataFolder, broker.listen);
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function isLoopback(url: string): boolean {
  const host = URL.canParse(url) ? new URL(url).hostname : '';
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.');
}
