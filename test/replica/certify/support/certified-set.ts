/** Opens a set under certificates, as the replica's house does, with the catalog beside it. */
import path from 'node:path';
import { CertificateKeys } from '../../../../replica/certify/certificate-keys.js';
import { CertificateLog } from '../../../../replica/certify/certificate-log.js';
import { Certifier, certifyQuietly } from '../../../../replica/certify/certifier.js';
import { SetStore } from '../../../../replica/history/set-store.js';
import { SetWriter } from '../../../../replica/set-writer.js';
import { systemClock } from '../../../../shared/clock.js';
import { silentLog } from '../../../../shared/log.js';
import { loadPosix } from '../../../../shared/posix/load-posix.js';
import { core } from '../../../model/open-set.js';

export const SET = 'certified';

export interface CertifiedSet {
  readonly store: SetStore;
  readonly writer: SetWriter;
  readonly log: CertificateLog;
  readonly certifier: Certifier;
  readonly close: () => Promise<void>;
}

export async function openCertifiedSet(folder: string): Promise<CertifiedSet> {
  const log = new CertificateLog(path.join(folder, 'catalog.db'));
  const keys = CertificateKeys.load(folder, (key) => log.hasKeyStepTo(key));
  const certifier = new Certifier({ log, keys, clock: systemClock });
  const store = new SetStore({ set: SET, folder: path.join(folder, 'set'), core });
  store.certify = () => {
    certifyQuietly({ certifier, store, log: silentLog });
  };
  certifier.open(SET, store.writer, store.index);
  const writer = await SetWriter.open({
    store,
    core,
    posix: loadPosix(),
    clock: systemClock,
    log: silentLog,
    admit: () => undefined,
  });
  return {
    store,
    writer,
    log,
    certifier,
    close: async () => {
      await writer.close();
      store.close();
      log.close();
    },
  };
}
