/**
 * Copies a PostgreSQL cluster while it goes on: files read between pg_backup_start and pg_backup_stop
 * become consistent by the log of that time. The label that the server answers, and that log, belong
 * to the copy; without them it is none. See docs/design/quiesce.md.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AfterimageError, messageOf } from '../../shared/errors.js';
import type { ClientSession } from './client-session.js';
import { holdUnderWatchdog, type Hold } from './hold-under-watchdog.js';
import { describe, inSession, refuseOutside } from './postgresql-session.js';
import { killProcess } from './process-identity.js';
import type {
  BackupEnd,
  PostgresqlConfig,
  QuiesceDeps,
  QuiesceFacts,
  RunningBackup,
} from './recipe.js';
import { withinReadyTime } from './server-hold.js';

const NAME = 'postgresql';
/** `pg_backup_stop` switches the log to its next file, and waits for nobody. */
const STOP_MS_MAX = 60_000;
/** The functions have other names before this version. */
const NEW_NAMES = 150_000;
/** Where pg_control has the position of its last checkpoint. */
const CHECKPOINT_AT = 32;

const TIMEOUTS = `SELECT set_config(name, '0', false) FROM pg_settings
  WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_session_timeout')`;
const MAY_KEEP_LOG = `SELECT (rolsuper OR rolreplication) AND
  (SELECT count(*) FROM pg_replication_slots) < current_setting('max_replication_slots')::int
  FROM pg_roles WHERE rolname = current_user`;

/** What `pg_backup_stop` answers. */
interface Stopped {
  readonly lsn: string;
  readonly label: Buffer;
  readonly tablespaces: Buffer;
}

interface Begun {
  readonly session: ClientSession;
  readonly facts: QuiesceFacts;
  readonly dataFolder: string;
  readonly start: string;
  readonly stop: string;
}

export async function beginPostgresqlBackup(
  config: PostgresqlConfig,
  deps: QuiesceDeps,
  signal: AbortSignal,
): Promise<RunningBackup> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(config.readyMsMax)]);
  const begun = await withinReadyTime({ name: NAME }, signal, () => getReady(config, limit));
  let stopped: Stopped | undefined;
  const hold = createHold(begun, (answer) => {
    stopped = answer;
  });
  const deadlineMs = config.backupMsMax;
  const held = await holdUnderWatchdog({ name: NAME, hold, deadlineMs, deps, signal });
  return {
    ...held,
    end: () => endOf(begun, stopped),
    close: () => Promise.resolve(closeBackup(begun, stopped)),
  };
}

/** All that can be refused is refused here. The log since the last checkpoint is kept from now on. */
async function getReady(config: PostgresqlConfig, signal: AbortSignal): Promise<Begun> {
  return await inSession(config, async (session) => {
    const about = await describe(session, signal);
    const { dataFolder } = about;
    if (about.inRecovery) {
      throw new Error('a standby is not copied in backup mode: stop it, or copy the primary');
    }
    await refuseOutside(config, { session, dataFolder, signal });
    await session.ask(TIMEOUTS, signal);
    const [version = ''] = await session.ask(
      `SELECT current_setting('server_version_num')`,
      signal,
    );
    const logKept = await keepLog(session, signal);
    const isNew = Number(version) >= NEW_NAMES;
    const stop = isNew ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
    return {
      session,
      dataFolder,
      facts: { ...about, mode: 'backup', logKept },
      start: isNew
        ? `SELECT pg_backup_start('afterimage', true)`
        : `SELECT pg_start_backup('afterimage', true, false)`,
      stop: `SELECT lsn, encode(convert_to(labelfile, 'UTF8'), 'hex'),
        encode(convert_to(coalesce(spcmapfile, ''), 'UTF8'), 'hex') FROM ${stop}`,
    };
  });
}

/** A slot of this session alone. Without the right to one, `close` sees whether the log was whole. */
async function keepLog(session: ClientSession, signal: AbortSignal): Promise<boolean> {
  const [may] = await session.ask(MAY_KEEP_LOG, signal);
  if (may !== 't') return false;
  const slot = `afterimage_${randomUUID().replaceAll('-', '')}`;
  await session.ask(`SELECT pg_create_physical_replication_slot('${slot}', true, true)`, signal);
  return true;
}

/** Holds nothing still: what is let go of is the server's backup, which ends with its session too. */
function createHold(
  { session, facts, start, stop }: Begun,
  onStopped: (answer: Stopped) => void,
): Hold {
  let running = false;
  return {
    action: { kind: 'kill', process: session.identity },
    letGoMsMax: STOP_MS_MAX,
    lost: session.gone,
    async acquire(signal) {
      const [startPosition = ''] = await session.ask(start, signal);
      running = true;
      return { ...facts, startPosition };
    },
    async letGo() {
      if (!running) {
        killProcess(session.identity, 'process');
        return { problems: [], intact: false };
      }
      try {
        const [row = ''] = await session.ask(stop, AbortSignal.timeout(STOP_MS_MAX / 2));
        const [lsn = '', label = '', tablespaces = ''] = row.split('\t');
        if (lsn === '' || label === '') throw new Error('the end of the backup was not answered');
        const decode = (hex: string): Buffer => Buffer.from(hex, 'hex');
        onStopped({ lsn, label: decode(label), tablespaces: decode(tablespaces) });
        return { problems: [], intact: true };
      } catch (error) {
        killProcess(session.identity, 'process');
        return { problems: [messageOf(error)], intact: false };
      }
    },
  };
}

function endOf({ dataFolder: folder }: Begun, stopped: Stopped | undefined): BackupEnd {
  if (stopped === undefined) {
    throw new AfterimageError('quiesce-failed', `${NAME}: the backup was not ended`);
  }
  const { lsn, label, tablespaces } = stopped;
  const file = (name: string, content: Buffer) =>
    content.length === 0 ? [] : [{ folder, name, content }];
  return {
    logs: [join(folder, 'pg_wal')],
    traces: [join(folder, 'pg_replslot')],
    files: [...file('backup_label', label), ...file('tablespace_map', tablespaces)],
    logPosition: lsn,
  };
}

function closeBackup(begun: Begun, stopped: Stopped | undefined): string | undefined {
  const wrong = stopped === undefined ? undefined : logProblem(begun, stopped);
  begun.session.close();
  return wrong;
}

/**
 * The log loses its oldest files first: while the first one that the copy needs is there, all are.
 * The folder is that of the server that was asked when it has its identifier and knows the checkpoint
 * that this backup began with; another cluster's would be a copy of something else.
 */
function logProblem({ dataFolder, facts }: Begun, { label }: Stopped): string | undefined {
  const text = label.toString();
  const [, first = ''] = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)/.exec(text) ?? [];
  const [, checkpoint = ''] = /^CHECKPOINT LOCATION: (\S+)$/m.exec(text) ?? [];
  try {
    const control = readControl(dataFolder);
    const isOurs =
      control.system === facts['systemIdentifier'] && control.checkpoint >= toNumber(checkpoint);
    if (!isOurs) return `${dataFolder} is not of the server that was asked`;
    if (existsSync(join(dataFolder, 'pg_wal', first))) return undefined;
    return `the server removed its log file ${first} before it was read`;
  } catch (error) {
    return `the data folder cannot be looked at: ${messageOf(error)}`;
  }
}

/** The fields of pg_control that are in the same place in all versions. */
function readControl(dataFolder: string): { system: string; checkpoint: bigint } {
  const bytes = readFileSync(join(dataFolder, 'global/pg_control'));
  return {
    system: bytes.readBigUInt64LE(0).toString(),
    checkpoint: bytes.readBigUInt64LE(CHECKPOINT_AT),
  };
}

/** Of a log position as the server writes it. */
function toNumber(position: string): bigint {
  const [high = '', low = ''] = position.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
