/** What the server is made of and what its routes share. */
import type { FastifyInstance } from 'fastify';
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
