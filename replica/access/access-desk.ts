/** Who may ask and what was asked, in one: what the server and the routes of access share. */
import { join } from 'node:path';
import { type Clock, systemClock } from '../../shared/clock.js';
import type { Log } from '../../shared/log.js';
import { ACCESS_FILE, openAccessDatabase } from './access-store.js';
import { AuditLog } from './audit-log.js';
import { createDoorkeeper, type Doorkeeper } from './doorkeeper.js';
import { LiveRequests } from './live-requests.js';
import { Sessions } from './sessions.js';
import { TokenStore } from './token-store.js';

/** Beside access.db: the audit's newest digest. */
const HEAD_FILE = 'audit-head.json';

export interface AccessDesk {
  readonly door: Doorkeeper;
  readonly tokens: TokenStore;
  readonly sessions: Sessions;
  readonly audit: AuditLog;
  readonly live: LiveRequests;
  close(): void;
}

/** Without a data folder nothing outlives the process. Throws `database-version`, storage errors. */
export function openAccess(options: {
  readonly dataFolder?: string;
  readonly localToken: string;
  readonly log: Log;
  readonly clock?: Clock;
  readonly sessionMs?: number;
}): AccessDesk {
  const { dataFolder, localToken, log, clock = systemClock } = options;
  const db = openAccessDatabase(
    dataFolder === undefined ? ':memory:' : join(dataFolder, ACCESS_FILE),
  );
  const headFile = dataFolder === undefined ? {} : { headFile: join(dataFolder, HEAD_FILE) };
  const audit = new AuditLog(db, { clock, log, ...headFile });
  const tokens = new TokenStore(db, clock);
  const sessions = new Sessions(clock, options.sessionMs);
  const live = new LiveRequests(clock);
  // Who keeps the replica's log elsewhere has a witness of the audit there.
  const { id, digest } = audit.head();
  log.info('the audit stands', { entries: id, digest });
  return {
    door: createDoorkeeper({ localToken, tokens, sessions }),
    tokens,
    sessions,
    audit,
    live,
    close: () => {
      live.close();
      db.close();
    },
  };
}
