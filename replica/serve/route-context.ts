/** What the server is made of and what its routes share. */
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { Role } from '../../shared/api/access.js';
import type { Clock } from '../../shared/clock.js';
import type { HashCore } from '../../shared/hash/hash-core.js';
import type { Log } from '../../shared/log.js';
import type { Certifier } from '../certify/certifier.js';
import type { Retention } from '../retain/retention.js';
import type { ServedSet } from './served-set.js';

export interface ServerOptions {
  /** All sets, at every request anew. */
  readonly sets: () => readonly ServedSet[];
  readonly token: string;
  readonly hash: HashCore;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Absolute folders below which the replica itself may restore (R22); none unless told. */
  readonly restoreRoots?: readonly string[];
  /** What certificates are asked of; without one there are none. */
  readonly certifier?: Certifier;
  /** Policies and holds; without it every point stays. */
  readonly retention?: Retention;
  /** Adds further faces (the console) before the server listens; their routes outside /v1/ are open. */
  readonly addFaces?: (app: FastifyInstance) => void;
}

/** What routes share. */
export interface RouteContext {
  readonly options: ServerOptions;
  readonly startedMs: number;
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
     * are recorded without it too, by method and path; reads of contents need it to be recorded.
     */
    audit?: string;
  }
}
