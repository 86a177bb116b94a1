/**
 * Finds the replica's API: options, then the environment, then the files that the replica keeps in
 * its data folder.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  API_URL_DEFAULT,
  DATA_FOLDER_DEFAULT,
  TOKEN_FILE,
  URL_FILE,
} from '../shared/api/address.js';
import { AfterimageError, errnoOf } from '../shared/errors.js';
import type { Io } from './io.js';

export interface ConnectionOptions {
  readonly url?: string;
  readonly tokenFile?: string;
}

export interface Connection {
  readonly url: string;
  readonly token: string;
}

/** Throws `unauthorised` when no token is found, `config-unreadable` when it may not be read. */
export function findConnection(options: ConnectionOptions, io: Io): Connection {
  return { url: findUrl(options, io), token: findToken(options, io) };
}

function dataFolder(io: Io): string {
  return resolve(io.folder, io.env['AFTERIMAGE_DATA'] ?? DATA_FOLDER_DEFAULT);
}

function findUrl(options: ConnectionOptions, io: Io): string {
  const url =
    options.url ??
    io.env['AFTERIMAGE_URL'] ??
    readIfThere(resolve(dataFolder(io), URL_FILE)) ??
    API_URL_DEFAULT;
  if (!/^https?:\/\/[^/]+/.test(url) || !URL.canParse(url)) {
    throw new AfterimageError('argument-invalid', `${JSON.stringify(url)} is no http URL`);
  }
  return url.replace(/\/+$/, '');
}

function findToken(options: ConnectionOptions, io: Io): string {
  const named = options.tokenFile;
  if (named !== undefined) {
    const token = readIfThere(resolve(io.folder, named));
    if (token !== undefined) return token;
    throw new AfterimageError('config-unreadable', `there is no token file ${named}`);
  }
  const given = io.env['AFTERIMAGE_TOKEN'];
  if (given !== undefined && given !== '') return given.trim();
  const path = resolve(dataFolder(io), TOKEN_FILE);
  const token = readIfThere(path);
  if (token !== undefined) return token;
  throw new AfterimageError('unauthorised', `no token was given and there is none at ${path}`);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw new AfterimageError('config-unreadable', `${path} cannot be read`, { cause });
  }
}
