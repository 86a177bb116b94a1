/** `doctor`: looks at this machine, and at what a configuration names, and says what to do. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ExitCode } from '../../shared/errors.js';
import { attempt, type Check } from '../doctor/check.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

const AGENT_FILE = '/etc/afterimage/agent.yaml';
const REPLICA_FILE = '/etc/afterimage/replica.yaml';

interface Options {
  readonly agent?: string;
  readonly replica?: string;
}

export function addDoctor(program: Command, invoke: Invoke): void {
  addVerb(program, 'doctor', 'Check this machine, and an agent or a replica on it')
    .option('--agent <file>', "an agent's configuration; that of the package if not told")
    .option('--replica <file>', "a replica's configuration; that of the package if not told")
    .action((options: Options, command: Command) =>
      invoke(command, async (context) => {
        const { checkHost } = await import('../doctor/host.js');
        const named = options.agent !== undefined || options.replica !== undefined;
        const configured = await checkConfigured(context, named ? options : installed());
        const checks = [...(await checkHost()), ...configured];
        await print(context, checks);
        return checks.some(({ state }) => state === 'fail') ? ExitCode.mismatch : ExitCode.ok;
      }),
    );
}

/** Configurations where the package has them. */
function installed(): Options {
  const found = (file: string): string | undefined => (existsSync(file) ? file : undefined);
  const [agent, replica] = [AGENT_FILE, REPLICA_FILE].map(found);
  return {
    ...(agent === undefined ? {} : { agent }),
    ...(replica === undefined ? {} : { replica }),
  };
}

async function checkConfigured(
  { io }: VerbContext,
  { agent, replica }: Options,
): Promise<readonly Check[]> {
  const checks: Check[] = [];
  if (agent !== undefined) {
    const { checkAgent } = await import('../doctor/agent.js');
    checks.push(...(await attempt('configuration', () => checkAgent(resolve(io.folder, agent)))));
  }
  if (replica !== undefined) {
    const { checkReplica } = await import('../doctor/replica.js');
    const { findReplicaConfig } = await import('../replica-options.js');
    const look = (): Promise<readonly Check[]> =>
      checkReplica(findReplicaConfig({ config: replica }, io), io.signal);
    checks.push(...(await attempt('configuration', look)));
  }
  return checks;
}

async function print(context: VerbContext, checks: readonly Check[]): Promise<void> {
  if (context.json) {
    await context.io.out(checks.map((check) => `${JSON.stringify(check)}\n`).join(''));
    return;
  }
  const lines = checks.flatMap(({ subject, state, found, advice }) => [
    `${marks[state]}  ${subject}: ${found}`,
    ...(advice === undefined ? [] : [`      ${advice}`]),
  ]);
  const count = (of: Check['state']): number => checks.filter(({ state }) => state === of).length;
  const summary =
    count('fail') === 0
      ? `nothing is in the way; ${count('warn')} to know about`
      : `${count('fail')} to mend, ${count('warn')} to know about`;
  await context.io.out(`${lines.join('\n')}\n\n${summary}\n`);
}

const marks: Readonly<Record<Check['state'], string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };
