/** How verbs that work on a replica's own machine find its configuration. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { DATA_FOLDER_DEFAULT } from '../shared/api/address.js';
import {
  parseReplicaConfig,
  readReplicaConfig,
  type ReplicaConfig,
} from '../shared/config/replica-config.js';
import { AfterimageError } from '../shared/errors.js';
import type { Io } from './io.js';

export interface ReplicaOptions {
  readonly config?: string;
  readonly data?: string;
}

export function addReplicaOptions(command: Command): Command {
  return command
    .option('--config <file>', "the replica's configuration; see docs/reference/config.md")
    .option('--data <folder>', 'its data folder, in place of a configuration (AFTERIMAGE_DATA)');
}

/** Throws `config-unreadable` and `config-invalid`, and `argument-invalid` when both are given. */
export function findReplicaConfig(options: ReplicaOptions, io: Io): ReplicaConfig {
  if (options.config !== undefined) {
    if (options.data === undefined) return readReplicaConfig(resolve(io.folder, options.config));
    throw new AfterimageError('argument-invalid', 'give --config or --data, not both');
  }
  const folder = options.data ?? io.env['AFTERIMAGE_DATA'] ?? DATA_FOLDER_DEFAULT;
  const dataFolder = resolve(io.folder, folder);
  return parseReplicaConfig({
    path: join(io.folder, 'default.yaml'),
    text: `data_folder: ${JSON.stringify(dataFolder)}\n`,
  });
}

/** Resolves when the verb is told to stop. */
export function untilStopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}
