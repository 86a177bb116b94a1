/**
 * Structured log: one JSON object a line on standard error, or one plain line on a terminal.
 * Fields are flat; an error is logged with its code, hint and cause.
 */
import { AfterimageError, messageOf } from './errors.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, error?: unknown, fields?: LogFields): void;
  /** A log whose every line carries these fields too. */
  with(fields: LogFields): Log;
}

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LogOptions {
  readonly level: LogLevel;
  readonly json: boolean;
  readonly write: (line: string) => void;
}

export function createLog(options: Partial<LogOptions> = {}, fixed: LogFields = {}): Log {
  const level = options.level ?? 'info';
  const json = options.json ?? !process.stderr.isTTY;
  const write = options.write ?? ((line: string) => process.stderr.write(line));
  const emit = (at: LogLevel, message: string, fields: LogFields): void => {
    if (rank[at] < rank[level]) return;
    const all = { ...fixed, ...fields };
    if (json) {
      write(`${JSON.stringify({ time: new Date().toISOString(), level: at, message, ...all })}\n`);
      return;
    }
    const tail = Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => ` ${key}=${String(value)}`)
      .join('');
    write(`${at === 'info' ? '' : `${at}: `}${message}${tail}\n`);
  };
  return {
    debug: (message, fields = {}) => {
      emit('debug', message, fields);
    },
    info: (message, fields = {}) => {
      emit('info', message, fields);
    },
    warn: (message, fields = {}) => {
      emit('warn', message, fields);
    },
    error: (message, error, fields = {}) => {
      emit('error', message, { ...fields, ...errorFields(error) });
    },
    with: (fields) => createLog({ level, json, write }, { ...fixed, ...fields }),
  };
}

function errorFields(error: unknown): LogFields {
  if (error === undefined) return {};
  if (error instanceof AfterimageError) {
    const cause = error.cause === undefined ? undefined : messageOf(error.cause);
    return { code: error.code, error: error.message, hint: error.hint, cause, ...error.facts };
  }
  return { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined };
}

/** For tests and libraries' defaults: says nothing. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLog,
};
