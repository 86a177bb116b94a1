/**
 * The embedded broker's configuration: who may connect and what each may say and hear. An agent can
 * reach its own sets' subjects and nothing else (promise 7).
 */
import { FRAME_BYTES_MAX } from '../../shared/limits.js';
import { agentInboxPrefix, replicaInboxPrefix } from '../../shared/protocol/subject.js';

export interface BrokerAgent {
  readonly tenant: string;
  readonly name: string;
  /** Public nkey of its user. */
  readonly brokerKey: string;
}

export interface BrokerUsers {
  /** Public nkey of the replica's user. */
  readonly replicaKey: string;
  readonly agents: readonly BrokerAgent[];
}

export interface BrokerConfig {
  readonly host: string;
  readonly port: number;
  readonly users: BrokerUsers;
  readonly pidFile: string;
  readonly logFile: string;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
}

export interface SubjectPermissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

const PAYLOAD_SLACK_BYTES = 64 * 1024;
const LOG_BYTES_MAX = 8 * 1024 * 1024;

/** What an agent's broker user may do; also for writing into the configuration of another broker. */
export function agentPermissions(agent: {
  readonly tenant: string;
  readonly name: string;
}): SubjectPermissions {
  const own = `afterimage.${agent.tenant}.${agent.name}.*`;
  return {
    publish: [`${own}.hello`, `${own}.has`, `${own}.up`],
    subscribe: [`${own}.ack`, `${own}.ctl`, `${agentInboxPrefix(agent.name)}.>`],
  };
}

/** What the replica's broker user may do, besides answering requests. */
export const replicaPermissions: SubjectPermissions = {
  publish: ['afterimage.>'],
  subscribe: ['afterimage.>', `${replicaInboxPrefix}.>`],
};

/** The text of a nats-server configuration file. */
export function brokerConfigText(config: BrokerConfig): string {
  const users = [
    userText(config.users.replicaKey, replicaPermissions),
    ...config.users.agents
      .filter((agent) => agent.brokerKey !== '')
      .map((agent) => userText(agent.brokerKey, agentPermissions(agent))),
  ];
  const tls =
    config.tls === undefined
      ? []
      : [`tls { cert_file: ${text(config.tls.certFile)}, key_file: ${text(config.tls.keyFile)} }`];
  return [
    '# written by afterimage; changes are lost',
    `listen: ${text(`${config.host}:${config.port}`)}`,
    `pid_file: ${text(config.pidFile)}`,
    `log_file: ${text(config.logFile)}`,
    `logfile_size_limit: ${LOG_BYTES_MAX}`,
    'logfile_max_num: 3',
    `max_payload: ${FRAME_BYTES_MAX + PAYLOAD_SLACK_BYTES}`,
    'write_deadline: "10s"',
    'ping_interval: "20s"',
    ...tls,
    'authorization {',
    '  users: [',
    users.join(',\n'),
    '  ]',
    '}',
    '',
  ].join('\n');
}

function userText(key: string, permissions: SubjectPermissions): string {
  const list = (subjects: readonly string[]): string => `[${subjects.map(text).join(', ')}]`;
  return [
    `    { nkey: ${text(key)}, permissions: {`,
    `        publish: { allow: ${list(permissions.publish)} }`,
    `        subscribe: { allow: ${list(permissions.subscribe)} }`,
    // one answer to each question, however long the replica works on it
    '        allow_responses: { max: 1, expires: "15m" }',
    '    } }',
  ].join('\n');
}

function text(value: string): string {
  return JSON.stringify(value);
}
