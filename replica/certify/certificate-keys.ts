/**
 * The replica's signing key, made once and kept in its data folder beside its identity. While a key is
 * being replaced the file holds both, so that a crash ends with the key that the catalog knows.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { readSecretFile, writeSecretFile } from '../../shared/seal/secret-file.js';
import {
  generateSigningKey,
  type SigningKey,
  signingKeyOf,
} from '../../shared/seal/signing-key.js';

const FILE = 'certificate-key.json';

const storedSchema = z.object({
  format: z.literal(1),
  privateKey: z.string().length(43),
  /** The key that is about to take over. */
  nextPrivateKey: z.string().length(43).optional(),
});

export class CertificateKeys {
  readonly #path: string;
  #current: SigningKey;

  private constructor(path: string, current: SigningKey) {
    this.#path = path;
    this.#current = current;
  }

  /**
   * Loads the key kept in `folder`, or makes one there. `isInForce` says whether a key took over
   * according to the catalog. Throws `config-unreadable`.
   */
  static load(folder: string, isInForce: (publicKey: string) => boolean): CertificateKeys {
    const path = join(folder, FILE);
    const stored = readSecretFile(path, storedSchema);
    const key = stored === null ? generateSigningKey() : signingKeyOf(stored.privateKey);
    const keys = new CertificateKeys(path, key);
    if (stored === null) keys.#store(undefined);
    if (stored?.nextPrivateKey === undefined) return keys;
    const next = signingKeyOf(stored.nextPrivateKey);
    if (isInForce(next.publicKey)) keys.#current = next;
    keys.#store(undefined);
    return keys;
  }

  get current(): SigningKey {
    return this.#current;
  }

  /** Replaces the key: `signOver` puts the new one into the catalog, in one transaction. */
  replace(signOver: (current: SigningKey, next: SigningKey) => void): void {
    const next = generateSigningKey();
    this.#store(next);
    signOver(this.#current, next);
    this.#current = next;
    this.#store(undefined);
  }

  #store(next: SigningKey | undefined): void {
    writeSecretFile(this.#path, {
      format: 1,
      privateKey: this.#current.privateKey,
      ...(next === undefined ? {} : { nextPrivateKey: next.privateKey }),
    });
  }
}
