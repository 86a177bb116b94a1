/** What the server is made of and what its routes share. */
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { Role, SettingsAnswer } from '../../shared/api/access.js';
import type { Clock } from '../../shared/clock.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import type { Certifier } from '../certify/certifier.js';
import type { Retention } from '../retain/retention.js';
import type { EventHub } from '../jobs/event-hub.js';
import type { JobDesk } from '../jobs/job-desk.js';
import type { AccessDesk } from '../access/access-desk.js';
import type { AgentDesk } from '../access/agent-desk.js';
import type { FailedTries } from '../access/failed-tries.js';
import type { Observe } from '../observe/observe.js';
import type { ServedSet } from './served-set.js';
import type { TlsFiles } from './tls.js';

export interface ServerOptions {
  /** All sets, at every request anew. */
  readonly sets: () => readonly ServedSet[];
  /** The token of the data folder: its bearer is admin. */
  readonly token: string;
  /** Tokens, sessions and the audit; without it they are in memory, and `token` is the only one at first. */
  readonly access?: AccessDesk;
  /** Tries that may fail, per address and window. */
  readonly tries?: { readonly max: number; readonly windowMs: number };
  /** Agents as operators deal with them; without it none are told of. */
  readonly agents?: AgentDesk;
  /** What is in force, for operators; told at every request anew. */
  readonly settings?: () => Pick<SettingsAnswer, 'settings' | 'paths' | 'missing'>;
  /** Undefined serves without TLS. */
  readonly tls?: TlsFiles | undefined;
  /** Proxies whose word counts for who asks and by which scheme; none unless told. */
  readonly trustedProxies?: readonly string[];
  /** Whether /metrics is told to everybody; `token` unless told. */
  readonly metrics?: 'open' | 'token';
  readonly hash: HashCore;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Absolute folders below which the replica itself may restore (R22); none unless told. */
  readonly restoreRoots?: readonly string[];
  /** What certificates are asked of; without one there are none. */
  readonly certifier?: Certifier;
  /** Alarms, metrics and readiness; there are none without it. */
  readonly observe?: Observe;
  /** Policies and holds; without it every point stays. */
  readonly retention?: Retention;
  /** Points of a set that an alarm is about; none without it. */
  readonly flaggedPoints?: (set: string) => readonly number[];
  /** Where jobs are asked for; without it there are none. */
  readonly jobs?: JobDesk;
  /** What happens, for who listens; without it nobody does. */
  readonly events?: EventHub;
  /**
   * Adds further faces before the server listens. Their routes outside /v1/ say their `role`, too, or
   * are for admins; the console's and the health checks are open, WebDAV's for viewers.
   */
  readonly addFaces?: (app: FastifyInstance) => void;
}

/** What routes share. */
export interface RouteContext {
  readonly options: ServerOptions;
  readonly startedMs: number;
  readonly access: AccessDesk;
  /** Bounds on what is tried in vain. */
  readonly tries: FailedTries;
  /** Where the server listens; undefined until it does. */
  url(): string | undefined;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
}

/** What a route is, for the description of the API: made from the schemas that check requests. */
export interface RouteDescription {
  /** One sentence without a full stop. */
  readonly summary: string;
  /** Group: `points`, `contents`, `access` … */
  readonly tag: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Of a JSON answer. */
  readonly answer?: z.ZodType;
  /** Of each line of a stream of lines. */
  readonly lines?: z.ZodType;
  /** Media type of an answer that is neither. */
  readonly content?: string;
}

/** `open`: anybody may ask, without a token. */
export type RouteRole = Role | 'open';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The least role that may ask. A route below /v1/ without one is refused to all but admins. */
    role?: RouteRole;
    describe?: RouteDescription;
    /**
     * Name of the action in the audit, such as `sync` or `token.create`. Routes that change something
     * are recorded without it too, by method and path; reads of contents need it to be recorded. A
     * name that ends in `.read` is recorded once a minute for the same caller, point and detail.
     * False for a route that is asked by POST and changes nothing.
     */
    audit?: string | false;
    /** The route only says what others at its path take. */
    refusesMethod?: true;
  }
}
