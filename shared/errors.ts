/**
 * One error class for the whole product; its codes stand in `error-catalogue.ts`.
 *
 * Branch on `code` or `kind`, never on text.
 */
import { catalogue, type ErrorCode, type ErrorKind } from './error-catalogue.js';

export { catalogue, type ErrorCode, ExitCode } from './error-catalogue.js';

/** Facts about the failure (path, set, point, bytes …) that logs and JSON output carry as fields. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null>>;

export class AfterimageError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; facts?: ErrorFacts } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AfterimageError';
    this.code = code;
    this.facts = options.facts ?? {};
  }

  get kind(): ErrorKind {
    return catalogue[this.code].kind;
  }
  get exit(): number {
    return catalogue[this.code].exit;
  }
  get status(): number {
    return catalogue[this.code].status;
  }
  get hint(): string {
    return catalogue[this.code].hint;
  }
}

/** The error itself when it is ours, else a storage or internal error that wraps it. */
export function asAfterimageError(error: unknown): AfterimageError {
  if (error instanceof AfterimageError) return error;
  const errno = errnoOf(error) ?? errnoOfDatabase(error);
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new AfterimageError('storage-full', messageOf(error), { cause: error });
  }
  if (errno !== undefined) {
    return new AfterimageError('storage-failed', messageOf(error), { cause: error });
  }
  if (isBrokenDatabase(error)) {
    return new AfterimageError('damaged', messageOf(error), { cause: error });
  }
  return new AfterimageError('internal', messageOf(error), { cause: error });
}

/** The errno name ('ENOENT' …) of a system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (
    error instanceof Error &&
    'code' in error &&
    'errno' in error &&
    typeof error.code === 'string'
  ) {
    return error.code;
  }
  return undefined;
}

/** Whether SQLite says that a database's file contradicts itself. */
export function isBrokenDatabase(error: unknown): boolean {
  if (!(error instanceof Error && error.name === 'SqliteError' && 'code' in error)) return false;
  const code = String(error.code);
  return code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB';
}

/** What a failure of SQLite comes from, as an errno name; undefined for anything else. */
function errnoOfDatabase(error: unknown): string | undefined {
  if (!(error instanceof Error && error.name === 'SqliteError' && 'code' in error))
    return undefined;
  const code = String(error.code);
  if (code === 'SQLITE_FULL') return 'ENOSPC';
  if (code.startsWith('SQLITE_READONLY')) return 'EROFS';
  return code.startsWith('SQLITE_IOERR') || code === 'SQLITE_CANTOPEN' ? 'EIO' : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Our own invariants; never for input from wire, disk or operator. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AfterimageError('internal', `invariant broken: ${message}`);
}

/** Makes a switch over a union exhaustive: a missing case does not compile. */
export function unreachable(value: never): never {
  throw new AfterimageError('internal', `unreachable value: ${String(value)}`);
}
