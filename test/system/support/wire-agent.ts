/**
 * An agent of a test's own at a running product's broker: it has the product's keys and session, and
 * says what the test wants. Its messages can be altered on their way.
 */
import path from 'node:path';
import { enrolIdentity, loadIdentity } from '../../../agent/ship/identity.js';
import type { SessionEvent, SetSession } from '../../../agent/ship/session.js';
import { createSetSession } from '../../../agent/ship/set-session.js';
import { type ErrorCode } from '../../../shared/errors.js';
import { agentInboxPrefix } from '../../../shared/protocol/subject.js';
import { SET_NODE, type SyncRecord } from '../../../shared/protocol/records.js';
import { createNatsTransport } from '../../../shared/transport/nats.js';
import type { Transport, TransportStatus } from '../../../shared/transport/transport.js';
import { outcome } from '../../model/sync-records.js';
import { fileRecords } from '../../replica/support/small-set.js';

export interface WireAgent {
  readonly session: SetSession;
  readonly transport: Transport;
  /** What it published, oldest first. */
  readonly sent: readonly { readonly subject: string; readonly data: Buffer }[];
  readonly statuses: readonly TransportStatus[];
  readonly events: readonly SessionEvent[];
  /** Codes for which it had no session. */
  awayCodes(): ErrorCode[];
  /** Sends a first sync of one file. */
  firstSync(content: Buffer): Promise<void>;
  close(): Promise<void>;
}

export interface WireAgentOptions {
  /** Holds the identity; made from `enrolment` when given. */
  readonly folder: string;
  readonly enrolment?: string;
  readonly set: string;
}

export function wireAgent(options: WireAgentOptions): WireAgent {
  const { folder, enrolment } = options;
  const identity =
    enrolment === undefined
      ? loadIdentity(folder)
      : enrolIdentity({ enrolmentFile: enrolment, folder });
  const transport = createNatsTransport({
    url: identity.brokerUrl,
    seed: identity.brokerSeed,
    inboxPrefix: agentInboxPrefix(identity.agent),
    name: 'test agent',
  });
  const sent: { subject: string; data: Buffer }[] = [];
  const statuses: TransportStatus[] = [];
  const events: SessionEvent[] = [];
  transport.onStatus((status) => statuses.push(status));
  const session = createSetSession({
    transport: recording(transport, sent),
    identity,
    set: options.set,
    spool: { folder: path.join(folder, 'spool'), bytesMax: 64 * 1024 * 1024 },
  });
  session.onEvent((event) => events.push(event));
  return {
    session,
    transport,
    sent,
    statuses,
    events,
    awayCodes: () => events.flatMap((event) => (event.type === 'away' ? [event.error.code] : [])),
    firstSync: async (content) => {
      for (const record of firstSync(content)) await session.write(record);
      session.flush();
    },
    close: async () => {
      await session.close();
      await transport.close();
    },
  };
}

function recording(transport: Transport, sent: { subject: string; data: Buffer }[]): Transport {
  return {
    get connected() {
      return transport.connected;
    },
    get payloadBytesMax() {
      return transport.payloadBytesMax;
    },
    publish: (subject, data, reply) => {
      sent.push({ subject, data: Buffer.from(data) });
      transport.publish(subject, data, reply);
    },
    subscribe: (subject, handler) => transport.subscribe(subject, handler),
    request: (subject, data, timeoutMs) => transport.request(subject, data, timeoutMs),
    onStatus: (listener) => transport.onStatus(listener),
    flush: () => transport.flush(),
    close: () => transport.close(),
  };
}

function firstSync(content: Buffer): SyncRecord[] {
  return [
    {
      type: 'begin',
      sync: 1,
      parentPoint: 0,
      parentChain: Buffer.alloc(32),
      incarnation: Buffer.alloc(16, 1),
      startedMs: 1,
    },
    ...fileRecords({ node: 2, parent: SET_NODE, name: 'file', content }),
    { type: 'end', sync: 1, outcome: Buffer.from(JSON.stringify(outcome())) },
  ];
}
