/**
 * Rules out that a table that began empty has a row of an identity, without a look at it: a first
 * copy would ask that of every file. May err only by saying that there could be one.
 */

/** 1 MiB; inodes that were given one after the other share no bit below eight million files. */
const BITS = 2 ** 23;

export class KnownIdentities {
  /** Made with the first one. */
  #bits: Uint8Array | undefined;

  add(identity: Buffer): void {
    this.#bits ??= new Uint8Array(BITS / 8);
    const bit = bitOf(identity);
    this.#bits[bit >>> 3] = (this.#bits[bit >>> 3] ?? 0) | (1 << (bit & 7));
  }

  mayHave(identity: Buffer): boolean {
    if (this.#bits === undefined) return false;
    const bit = bitOf(identity);
    return ((this.#bits[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0;
  }
}

/** The inode's low bits, moved by its high ones and the device. */
function bitOf(identity: Buffer): number {
  const device = Math.imul(identity.readUInt32LE(0), 0x9e37_79b1);
  const high = Math.imul(identity.readUInt32LE(8), 0x85eb_ca6b);
  return (identity.readUInt32LE(4) + device + high) & (BITS - 1);
}
