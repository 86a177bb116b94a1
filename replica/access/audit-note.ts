/** What a handler adds to the audit's entry of its request, which the hook writes. */
import type { FastifyRequest } from 'fastify';

export interface AuditNote {
  /** Where the path names none. */
  readonly set?: string;
  readonly point?: string | number;
  /** Paths, names, numbers: at most some hundred characters are kept. */
  readonly detail?: string;
}

const notes = new WeakMap<FastifyRequest, AuditNote>();

/** Adds to the request's entry; later notes win over earlier ones. */
export function noteAudit(request: FastifyRequest, note: AuditNote): void {
  notes.set(request, { ...notes.get(request), ...note });
}

export function auditNoteOf(request: FastifyRequest): AuditNote {
  return notes.get(request) ?? {};
}

const problems = new WeakMap<FastifyRequest, string>();

/** The code of the problem that the request is answered with. */
export function noteProblem(request: FastifyRequest, code: string): void {
  problems.set(request, code);
}

export function problemOf(request: FastifyRequest): string | null {
  return problems.get(request) ?? null;
}
