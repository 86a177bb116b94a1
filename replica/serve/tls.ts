/** HTTPS for the API: reads certificate and key, and again when the files change. */
import fs from 'node:fs';
import https from 'node:https';
import { createSecureContext } from 'node:tls';
import type { FastifyServerFactory } from 'fastify';
import { AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';

export interface TlsFiles {
  /** PEM; the certificate first, then those that vouch for it. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** Files are looked at this often: by polling, because a renewal may replace links and folders. */
const LOOK_MS = 5_000;
const MIN_VERSION = 'TLSv1.2';

interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws `config-unreadable`, `config-invalid` when the two are no pair. */
export function readTlsFiles({ certFile, keyFile }: TlsFiles): Pair {
  const pair = { cert: readPem(certFile), key: readPem(keyFile) };
  try {
    createSecureContext(pair);
    return pair;
  } catch (cause) {
    throw new AfterimageError(
      'config-invalid',
      `${certFile} and ${keyFile} are no certificate and its key`,
      { cause },
    );
  }
}

/** A factory for the server, which takes renewed files while it runs. Throws as `readTlsFiles`. */
export function tlsServer(
  files: TlsFiles,
  { log, lookMs = LOOK_MS }: { readonly log: Log; readonly lookMs?: number },
): FastifyServerFactory {
  const first = readTlsFiles(files);
  return (handler) => {
    const server = https.createServer({ ...first, minVersion: MIN_VERSION }, handler);
    const paths = [files.certFile, files.keyFile];
    const renew = (): void => {
      try {
        server.setSecureContext({ ...readTlsFiles(files), minVersion: MIN_VERSION });
        log.info('the API has a renewed certificate', { file: files.certFile });
      } catch (error) {
        // One file may be there before the other: the next change tries again.
        log.error('the renewed certificate is not taken; the one before stays', error);
      }
    };
    for (const file of paths) fs.watchFile(file, { interval: lookMs, persistent: false }, renew);
    server.once('close', () => {
      for (const file of paths) fs.unwatchFile(file, renew);
    });
    return server;
  };
}

function readPem(file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (cause) {
    throw new AfterimageError('config-unreadable', `${file} cannot be read`, { cause });
  }
}
