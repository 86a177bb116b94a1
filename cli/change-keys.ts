/** New keys for an agent that is enrolled, and for the replica itself (R23): `enroll --rotate`. */
import type { ReplicaConfig } from '../shared/config/replica-config.js';
import { AfterimageError, ExitCode } from '../shared/errors.js';
import type { VerbContext } from './verb.js';

/**
 * Lets the machine in that is refused because another one holds its identity (R14): a clone, or one
 * out of an older copy. The one that holds it is shut out by that.
 */
export async function adoptRefused(
  context: VerbContext,
  config: ReplicaConfig,
  name: string,
): Promise<number> {
  const { openReplicaData } = await import('../replica/replica.js');
  const { catalog } = openReplicaData(config.dataFolder);
  try {
    catalog.adoptAgent(name);
  } finally {
    catalog.close();
  }
  await context.print(
    { agent: name, adopted: true },
    () =>
      `the machine of ${name} that is refused is let in within an hour, by itself; from then on the other one is refused\n`,
  );
  return ExitCode.ok;
}

/** The agent makes its keys itself, and says them to the replica under those it has. */
export async function askForKeys(
  context: VerbContext,
  config: ReplicaConfig,
  name: string,
): Promise<number> {
  const { openReplicaData } = await import('../replica/replica.js');
  const { catalog } = openReplicaData(config.dataFolder);
  try {
    const agent = catalog.listAgents().find((known) => known.name === name);
    if (agent?.pinned !== true) {
      throw new AfterimageError('not-found', `agent ${name} has no key here yet`);
    }
    const asked = config.broker.type === 'embedded' ? 'agent-and-broker' : 'agent';
    catalog.keys.ask(name, asked);
    await context.print(
      { agent: name, asked },
      () => `asked ${name} for new keys: it changes them by itself, at once when it is connected\n`,
    );
    return ExitCode.ok;
  } finally {
    catalog.close();
  }
}

export async function changeReplicaKeys(
  context: VerbContext,
  config: ReplicaConfig,
  { rotate, retire }: { readonly rotate?: boolean; readonly retire?: boolean },
): Promise<number> {
  if ((rotate === true) === (retire === true)) {
    throw new AfterimageError('argument-invalid', 'give --rotate or --retire with --replica');
  }
  const { openReplicaData } = await import('../replica/replica.js');
  const { retireReplicaKeys, rotateReplicaKeys } =
    await import('../replica/catalog/replica-identity.js');
  const { catalog } = openReplicaData(config.dataFolder);
  try {
    const brokerUser = config.broker.type === 'embedded' ? 'renew' : 'keep';
    const identity =
      retire === true
        ? retireReplicaKeys(config.dataFolder)
        : rotateReplicaKeys(config.dataFolder, { brokerUser });
    const publicKey = identity.keys.publicKey.toString('base64url');
    const behind = catalog.keys.behind(identity.keys.publicKey);
    catalog.audit({
      action: retire === true ? 'retire-replica-keys' : 'rotate-replica-keys',
      subject: 'replica',
      detail: publicKey,
    });
    const olderKeys = identity.olderKeys.length;
    await context.print({ publicKey, olderKeys, behind }, () => replicaKeysText(olderKeys, behind));
    return ExitCode.ok;
  } finally {
    catalog.close();
  }
}

function replicaKeysText(olderKeys: number, behind: readonly string[]): string {
  const restart = 'restart the replica to put this in force';
  if (olderKeys > 0) {
    return `the replica has a new key; ${restart}. Agents learn it when they come in, and the older key is refused once all have\n`;
  }
  const lost = behind.length === 0 ? '' : `; to be enrolled again: ${behind.join(', ')}`;
  return `the older keys of the replica are forgotten${lost}; ${restart}\n`;
}
