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

/** What a caller may see and do. */
export function makeAccess(of: {
  readonly who: string;
  readonly role: Role;
  readonly sets: readonly string[] | null;
}): Access {
  const seen = of.sets === null ? null : new Set(of.sets);
  return { ...of, canSee: (set) => seen === null || seen.has(set) };
}

const granted = new WeakMap<FastifyRequest, Access>();

/** For the access hook alone. */
export function grantAccess(request: FastifyRequest, access: Access): void {
  granted.set(request, access);
}

/** Throws `unauthorised` where the hook let a request in without knowing its caller. */
export function accessOf(request: FastifyRequest): Access {
  const access = granted.get(request);
  if (access !== undefined) return access;
  throw new AfterimageError('unauthorised', 'the request carries no valid token');
}

/** The caller, where there is one: for routes that anybody may ask. */
export function accessIfAny(request: FastifyRequest): Access | undefined {
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
