/**
 * Who is asking, as routes see it. The access hook of the server puts it on every request before its
 * handler runs; a request that came to nobody's door has none.
 */
import type { FastifyRequest } from 'fastify';
import { type Role, roles } from '../../shared/api/access.js';
import { AfterimageError } from '../../shared/errors.js';

export interface Access {
  /** Name of the token; `local` for the one in the data folder. */
  readonly who: string;
  readonly role: Role;
  /** The sets that it may see; null for all. */
  readonly sets: readonly string[] | null;
  readonly canSee: (set: string) => boolean;
}

/** How the caller came to its access: for the hooks, and for what is said of itself. */
export interface Caller extends Access {
  /** Of the token; `local` for the one in the data folder. */
  readonly token: string;
  readonly via: 'token' | 'session';
  /** When the token or the session ends; null for never. */
  readonly expiresMs: number | null;
}

export function makeCaller(of: Omit<Caller, 'canSee'>): Caller {
  const seen = of.sets === null ? null : new Set(of.sets);
  return { ...of, canSee: (set) => seen === null || seen.has(set) };
}

const granted = new WeakMap<FastifyRequest, Caller>();

/** For the access hook, and for a login. */
export function grantAccess(request: FastifyRequest, caller: Caller): void {
  granted.set(request, caller);
}

/** Throws `unauthorised` where the hook let a request in without knowing its caller. */
export function accessOf(request: FastifyRequest): Caller {
  const caller = granted.get(request);
  if (caller !== undefined) return caller;
  throw new AfterimageError('unauthorised', 'the request carries no valid token');
}

/** The caller, where there is one: for routes that anybody may ask. */
export function accessIfAny(request: FastifyRequest): Caller | undefined {
  return granted.get(request);
}

/** Whether `role` is at least `least`. */
export function reaches(role: Role, least: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(least);
}

/** For routes of which a part asks for more than their role. Throws `forbidden`. */
export function requireRole(request: FastifyRequest, least: Role): void {
  const { who, role } = accessOf(request);
  if (reaches(role, least)) return;
  throw new AfterimageError('forbidden', `${who} is ${role}; this needs ${least}`, {
    facts: { who, role, needs: least },
  });
}

/** For sets that the path does not name. Throws `forbidden`, whether the set is there or not. */
export function requireSet(request: FastifyRequest, set: string): void {
  const { who, canSee } = accessOf(request);
  if (canSee(set)) return;
  throw new AfterimageError('forbidden', `${who} may not see set ${JSON.stringify(set)}`, {
    facts: { who, set },
  });
}

/** For what is of the whole replica. Throws `forbidden` for who sees some sets only. */
export function requireEverySet(request: FastifyRequest): void {
  const { who, sets } = accessOf(request);
  if (sets === null) return;
  throw new AfterimageError(
    'forbidden',
    `${who} sees some sets only; this is of the whole replica`,
    { facts: { who } },
  );
}
