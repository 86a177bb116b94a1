/** Counts errors by their code where they are logged: every error that a process tells of passes there. */
import { AfterimageError, asAfterimageError } from '../errors.js';
import type { Log, LogFields } from '../log.js';

export class ErrorCounts {
  readonly #counts = new Map<string, number>();

  /** The same log; what it is given to tell as errors, or as a warning with a code, is counted. */
  counting(log: Log): Log {
    return {
      debug: (message, fields) => {
        log.debug(message, fields);
      },
      info: (message, fields) => {
        log.info(message, fields);
      },
      warn: (message, fields) => {
        this.#countField(fields);
        log.warn(message, fields);
      },
      error: (message, error, fields) => {
        this.#count(codeOf(error));
        log.error(message, error, fields);
      },
      with: (fields) => this.counting(log.with(fields)),
    };
  }

  /** By code, those that came at least once. */
  counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  #countField(fields: LogFields | undefined): void {
    const code = fields?.['code'];
    if (typeof code === 'string') this.#count(code);
  }

  #count(code: string): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }
}

function codeOf(error: unknown): string {
  if (error === undefined) return 'untold';
  return error instanceof AfterimageError ? error.code : asAfterimageError(error).code;
}
