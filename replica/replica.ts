/**
 * The replica process: its data folder and identity, the broker it runs or joins, the sets, the
 * door to the wire and the HTTP API. `runReplica` resolves when everything serves.
 */
import fs from 'node:fs';
import path from 'node:path';
import { TOKEN_FILE, URL_FILE } from '../shared/api/address.js';
import { type Clock, systemClock } from '../shared/clock.js';
import type { ReplicaConfig } from '../shared/config/replica-config.js';
import { lockFolder } from '../shared/folder-lock.js';
import { createHashCore } from '../shared/hash/create-hash-core.js';
import type { Log } from '../shared/log.js';
import { ErrorCounts } from '../shared/observe/error-counts.js';
import { loadPosix } from '../shared/posix/load-posix.js';
import { missingSealing } from '../shared/seal/load-gcm.js';
import { replicaInboxPrefix } from '../shared/protocol/subject.js';
import { readTextFile } from './broker/read-seed.js';
import { createNatsTransport } from '../shared/transport/nats.js';
import { serveAccess } from './access/serve-access.js';
import { type Catalog, openCatalog } from './catalog/catalog.js';
import {
  loadOrCreateReplicaIdentity,
  type ReplicaIdentity,
  retireReplicaKeys,
  tokenKeysOf,
} from './catalog/replica-identity.js';
import { ownedWith } from './catalog/set-owners.js';
import { CertificateKeys } from './certify/certificate-keys.js';
import { CertificateLog } from './certify/certificate-log.js';
import { Certifier, type CertifierDeps } from './certify/certifier.js';
import { type OwnBroker, runOwnBroker } from './broker/own-broker.js';
import { directListen } from './receive/direct-addresses.js';
import { EventHub } from './jobs/event-hub.js';
import { jobKinds } from './jobs/kinds/job-kinds.js';
import { openJobs } from './jobs/open-jobs.js';
import { Observe, type ObserveDeps } from './observe/observe.js';
import { createReceiver } from './receive/receiver.js';
import { AgentOrders } from './restore/agent-orders.js';
import { restoreByAgent } from './restore/restore-by-agent.js';
import { UndoHolds } from './restore/undo-holds.js';
import { Retention } from './retain/retention.js';
import { runRetention } from './retain/retention-clock.js';
import { RetentionStore } from './retain/retention-store.js';
import type { ServedSet } from './serve/served-set.js';
import { createServer } from './serve/server.js';
import { servedSets } from './serve-sets.js';
import { type ScrubOptions, SetHouse } from './set-house.js';
import { spaceGuard } from './space-guard.js';
import { ByteRate } from './verify/byte-rate.js';

export interface RunningReplica {
  /** Where the HTTP API listens. */
  readonly url: string;
  /** As agents reach the broker. */
  readonly brokerUrl: string;
  /** Stops in order: no new frames, sets closed, broker last. */
  close(): Promise<void>;
}

export interface ReplicaDeps {
  readonly log: Log;
  readonly version: string;
  readonly clock?: Clock;
}

const CATALOG_FILE = 'catalog.db';

/** The pieces that `afterimage enroll` needs without running a replica. */
export function openReplicaData(dataFolder: string): {
  readonly catalog: Catalog;
  readonly identity: ReplicaIdentity;
} {
  fs.mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const identity = loadOrCreateReplicaIdentity(dataFolder);
  const tokenKeys = tokenKeysOf(identity);
  return {
    catalog: openCatalog({ path: path.join(dataFolder, CATALOG_FILE), tokenKeys }),
    identity,
  };
}

/** Throws `folder-in-use`, `broker-missing`, `broker-unreachable`, storage errors. */
export async function runReplica(
  config: ReplicaConfig,
  deps: ReplicaDeps,
): Promise<RunningReplica> {
  const errors = new ErrorCounts();
  const log = errors.counting(deps.log);
  const clock = deps.clock ?? systemClock;
  fs.mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 });
  const stack = new ClosingStack();
  try {
    const lock = lockFolder(config.dataFolder);
    stack.add(() => {
      lock.release();
    });
    const { catalog, identity } = openReplicaData(config.dataFolder);
    stack.add(() => {
      catalog.close();
    });
    const broker = await joinBroker(config, { catalog, identity, log, stack });
    const posix = loadPosix();
    for (const missing of posix.missing) log.warn('the native part is not there', { missing });
    const observe = openObserve(config, { errors, clock, log, version: deps.version, stack });
    const onCheck = observe.checked;
    const certifier = openCertifier(config.dataFolder, { clock, stack, onCheck });
    const events = new EventHub();
    const house: SetHouse = new SetHouse({
      dataFolder: config.dataFolder,
      core: createHashCore(),
      posix,
      clock,
      log,
      claim: (request) => {
        catalog.claimSet({ ...request, setsMax: config.quotas.setsPerAgentMax });
      },
      admit: spaceGuard({
        config,
        spaceOf: (set) => house.opened.find(({ name }) => name === set)?.reader.space(),
        owners: () => catalog.listSets(),
      }),
      scrub: scrubOptions(config, { catalog, clock }),
      certifier,
      looksOf: observe.looksOf,
    });
    house.eachOpened(observe.follow);
    await house.openAll();
    stack.add(() => house.close());
    const retention = openRetention(config.dataFolder, { house, catalog, clock, log, stack });
    const transport = createNatsTransport({
      url: broker.url,
      seed: broker.seed,
      inboxPrefix: replicaInboxPrefix,
      name: 'afterimage replica',
      log,
    });
    stack.add(() => transport.close());
    const orders = new AgentOrders({ hash: createHashCore(), monotonic: () => clock.monotonic() });
    let { olderKeys } = identity;
    const receiver = createReceiver({
      transport,
      tenant: config.tenant,
      identity: identity.keys,
      olderIdentities: () => olderKeys,
      onReplicaKeyUsed: () => {
        if (olderKeys.length === 0 || catalog.keys.behind(identity.keys.publicKey).length > 0)
          return;
        // Every agent knows the key of this process; the operator may have made another meanwhile.
        retireReplicaKeys(config.dataFolder, olderKeys);
        olderKeys = [];
        log.info(
          'every agent knows the new key of the replica; the older are refused, and enrolment files from before that nobody has used are void: make them anew with afterimage enroll NAME',
        );
      },
      catalog,
      openSet: house.openFor,
      direct: directListen(config),
      log,
      clock,
      restores: (at, question) => orders.answer(at.set, question),
    });
    stack.add(() => {
      receiver.close();
    });
    const sets = (): ServedSet[] => servedSets(house, receiver);
    const door = serveAccess(config, {
      ...{ catalog, identity, receiver, clock, log },
      missing: [...posix.missing, ...missingSealing()],
    });
    stack.add(() => {
      door.access.close();
    });
    const restoreRoots = config.restoreRoots;
    const auditLines = (): Iterable<object> => door.access.audit.all();
    const hash = createHashCore();
    const kindDeps = { sets, hash, clock, log, certifier, retention, restoreRoots, auditLines };
    const file = path.join(config.dataFolder, CATALOG_FILE);
    const undo = new UndoHolds(file, { retention, clock, log });
    stack.add(() => {
      undo.close();
    });
    const now = (): number => clock.now();
    const jobs = openJobs({
      file,
      house,
      activity: (set) =>
        sets()
          .find(({ reader }) => reader.set === set)
          ?.activity(),
      kinds: [...jobKinds(kindDeps), restoreByAgent({ sets, receiver, orders, undo, now })],
      hub: events,
      clock,
      log,
    });
    stack.add(() => jobs.close());
    retention.keepWanted((set) => jobs.desk.pointsWanted(set));
    observe.start({
      sets,
      opened: () => house.opened,
      unopened: () => house.unopened,
      retention,
      receiver,
      brokerConnected: () => transport.connected,
      jobs: jobs.desk,
      events,
    });
    const server = createServer({
      sets,
      ...door,
      restoreRoots,
      hash,
      clock,
      log,
      version: deps.version,
      certifier,
      retention,
      jobs: jobs.desk,
      events,
      observe,
    });
    const url = await server.listen(config.listen);
    stack.add(() => server.close());
    const urlFile = path.join(config.dataFolder, URL_FILE);
    // Whoever waits for the file reads all of it.
    fs.writeFileSync(`${urlFile}.new`, `${url}\n`, { mode: 0o600 });
    fs.renameSync(`${urlFile}.new`, urlFile);
    stack.add(() => {
      fs.rmSync(urlFile, { force: true });
    });
    log.info('replica serves', {
      url,
      broker: broker.url,
      sets: house.opened.length,
      token: path.join(config.dataFolder, TOKEN_FILE),
    });
    return { url, brokerUrl: broker.url, close: () => stack.close() };
  } catch (error) {
    await stack.close();
    throw error;
  }
}

/** Alarms, metrics and what is remembered for them. */
function openObserve(
  { dataFolder, alerts, quotas }: ReplicaConfig,
  {
    stack,
    ...deps
  }: Pick<ObserveDeps, 'errors' | 'clock' | 'log' | 'version'> & { readonly stack: ClosingStack },
): Observe {
  const observe = new Observe({
    ...deps,
    file: path.join(dataFolder, CATALOG_FILE),
    dataFolder,
    alerts,
    freeBytesMin: quotas.freeBytesMin,
    hashCore: createHashCore().build,
  });
  stack.add(() => observe.close());
  return observe;
}

function openCertifier(
  dataFolder: string,
  {
    clock,
    stack,
    onCheck,
  }: Pick<Required<CertifierDeps>, 'clock' | 'onCheck'> & { readonly stack: ClosingStack },
): Certifier {
  const log = new CertificateLog(path.join(dataFolder, CATALOG_FILE));
  stack.add(() => {
    log.close();
  });
  const keys = CertificateKeys.load(dataFolder, (publicKey) => log.hasKeyStepTo(publicKey));
  return new Certifier({ log, keys, clock, onCheck });
}

/** Twins come from sets of the same agent alone (R21). */
function scrubOptions(
  { scrub }: ReplicaConfig,
  { catalog, clock }: { readonly catalog: Catalog; readonly clock: Clock },
): ScrubOptions {
  return {
    rate: new ByteRate(clock, scrub.bytesPerSecondMax),
    everyMs: scrub.everyMs,
    core: createHashCore(),
    ownedWith: (set) => ownedWith(catalog.listSets(), set),
  };
}

/** It runs by itself; closed before the sets are. */
function openRetention(
  dataFolder: string,
  deps: Pick<JoinDeps, 'catalog' | 'log' | 'stack'> & {
    readonly house: SetHouse;
    readonly clock: Clock;
  },
): Retention {
  const { house, catalog, clock, log, stack } = deps;
  const store = new RetentionStore(path.join(dataFolder, CATALOG_FILE));
  stack.add(() => {
    store.close();
  });
  const retention = new Retention({
    sets: () => house.opened,
    store,
    clock,
    log,
    audit: (entry) => {
      catalog.audit(entry);
    },
  });
  stack.add(runRetention(retention));
  return retention;
}

interface JoinDeps {
  readonly catalog: Catalog;
  readonly identity: ReplicaIdentity;
  readonly log: Log;
  readonly stack: ClosingStack;
}

/** The broker's URL and the seed of our user there. */
async function joinBroker(
  config: ReplicaConfig,
  { catalog, identity, log, stack }: JoinDeps,
): Promise<{ readonly url: string; readonly seed: string }> {
  if (config.broker.type === 'external') {
    const { url, seedFile } = config.broker;
    return { url, seed: seedFile === undefined ? identity.brokerSeed : readTextFile(seedFile) };
  }
  const broker: OwnBroker = await runOwnBroker({
    config: config.broker,
    dataFolder: config.dataFolder,
    catalog,
    identity,
    log,
  });
  stack.add(() => broker.stop());
  return { url: broker.url, seed: identity.brokerSeed };
}

/** What was opened is closed in the opposite order, all of it, whatever fails. */
class ClosingStack {
  readonly #steps: (() => void | Promise<void>)[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Throws the first failure after everything was tried. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
