/**
 * The agent with its real parts: the broker, the wire, the native calls, the watchdog. The command
 * line starts it and stops it on SIGTERM or SIGINT.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemClock } from '../shared/clock.js';
import {
  readAgentConfig,
  type AgentConfig,
  type SetConfig,
} from '../shared/config/agent-config.js';
import { messageOf } from '../shared/errors.js';
import { createHashCore } from '../shared/hash/create-hash-core.js';
import { createLog, type Log } from '../shared/log.js';
import { ErrorCounts } from '../shared/observe/error-counts.js';
import { loadPosix } from '../shared/posix/load-posix.js';
import { agentInboxPrefix } from '../shared/protocol/subject.js';
import { createNatsTransport } from '../shared/transport/nats.js';
import { runAgent, type RunningAgent } from './agent.js';
import {
  type MetricsServer,
  type MetricsServerOptions,
  serveMetrics,
} from './observe/metrics-server.js';
import { createRecipe } from './quiesce/create-recipe.js';
import type { QuiesceConfig } from './quiesce/recipe.js';
import { startWatchdog } from './quiesce/watchdog-client.js';
import { FrameCompressor } from './ship/frame-compressor.js';
import { HostProcessors } from './ship/host-processors.js';
import {
  type AgentIdentity,
  enrolIdentity,
  hasIdentity,
  isEnrolledAgain,
  loadIdentity,
} from './ship/identity.js';
import { createSetSession } from './ship/set-session.js';

export interface StartedAgent extends RunningAgent {
  readonly config: AgentConfig;
}

/** Starts the agent of a configuration file. @throws AfterimageError what keeps it from starting */
export async function startAgent(
  configFile: string,
  log?: Log,
  version = '',
): Promise<StartedAgent> {
  const config = readAgentConfig(configFile);
  const errors = new ErrorCounts();
  const agentLog = errors.counting(log ?? createLog({ level: config.logLevel }));
  const identity = takeIdentity(config, agentLog);
  const watchdog = await startWatchdog({
    log: agentLog,
    armedFile: join(config.dataFolder, 'armed.json'),
  });
  const transport = createNatsTransport({
    url: config.broker ?? identity.brokerUrl,
    seed: () => identity.rotation?.brokerSeed() ?? identity.brokerSeed,
    inboxPrefix: agentInboxPrefix(identity.agent),
    name: `afterimage agent ${identity.agent}`,
    log: agentLog,
  });
  transport.onStatus(({ type }) => {
    if (type === 'connected' || type === 'reconnected') identity.rotation?.brokerLetIn();
  });
  const processors = new HostProcessors();
  const closeParts = async (): Promise<void> => {
    await transport.close();
    await watchdog.close();
  };
  try {
    const running = runAgent(config, {
      openSession: (set, spoolFolder) =>
        createSetSession({
          transport,
          identity,
          set: set.name,
          spool: { folder: spoolFolder, bytesMax: config.spoolBytesMax },
          windowBytes: config.windowBytesMax,
          direct: config.direct,
          says: { restores: config.restore.allow },
          compressor: new FrameCompressor({ setting: config.compression, processors }),
          log: agentLog,
        }),
      recipeOf: (set) =>
        createRecipe(toQuiesceConfig(set), { watchdog, clock: systemClock, log: agentLog }),
      posix: loadPosix(),
      createCore: () => createHashCore(),
      clock: systemClock,
      log: agentLog,
    });
    const metrics = await openMetrics(config, {
      status: () => running.status(),
      brokerConnected: () => transport.connected,
      errors,
      version,
      hashCore: createHashCore().build,
      log: agentLog,
    }).catch(async (error: unknown) => {
      await running.stop();
      throw error;
    });
    return {
      config,
      status: () => running.status(),
      async stop() {
        await metrics?.close();
        await running.stop();
        await closeParts();
      },
    };
  } catch (error) {
    await closeParts();
    throw error;
  }
}

/** Undefined unless the configuration says where. */
async function openMetrics(
  { metricsListen }: AgentConfig,
  options: Omit<MetricsServerOptions, 'listen'>,
): Promise<MetricsServer | undefined> {
  if (metricsListen === undefined) return undefined;
  const server = await serveMetrics({ ...options, listen: metricsListen });
  options.log.info('metrics are told', { url: server.url });
  return server;
}

/**
 * The identity in the data folder; made from the enrolment file when there is none, and brought up to
 * it when the operator has enrolled the agent again. The file is needed no longer than that.
 */
function takeIdentity(config: AgentConfig, log: Log): AgentIdentity {
  const folder = join(config.dataFolder, 'identity');
  const { enrolment } = config;
  if (enrolment === undefined || !existsSync(enrolment)) return loadIdentity(folder);
  if (hasIdentity(folder) && !isNews(enrolment, folder, log)) return loadIdentity(folder);
  log.info('an enrolment is taken over', { file: enrolment });
  return enrolIdentity({ enrolmentFile: enrolment, folder });
}

/** A file that does not read is no reason to stop an agent that has its identity. */
function isNews(enrolmentFile: string, folder: string, log: Log): boolean {
  try {
    return isEnrolledAgain({ enrolmentFile, folder });
  } catch (error) {
    log.warn('the enrolment file is not read', { file: enrolmentFile, error: messageOf(error) });
    return false;
  }
}

function toQuiesceConfig({ quiesce }: SetConfig): QuiesceConfig {
  if (quiesce.kind !== 'sqlite') return quiesce;
  return { ...quiesce, databases: quiesce.databases.flatMap(matchingPaths) };
}

/** A path as it is, or what matches `*` and `?` in its last component. */
function matchingPaths(path: string): string[] {
  const pattern = basename(path);
  if (!/[*?]/.test(pattern)) return [path];
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  const matches = new RegExp(`^${expression}$`);
  const folder = dirname(path);
  return readdirSync(folder)
    .filter((name) => matches.test(name))
    .sort()
    .map((name) => join(folder, name));
}
