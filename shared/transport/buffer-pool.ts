/**
 * Memory for frames that is used again. A fresh buffer of 256 KiB a frame is a mapping, 64 page faults
 * and work for the collector: more than the copy of its bytes costs. What is not given back is plain
 * garbage, so nobody has to give back what he is not sure of.
 */

/** Buffers come in multiples of it. */
const STEP_BYTES = 32 * 1024;

export class BufferPool {
  readonly #idleBytesMax: number;
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  /** `idleBytesMax` bounds what waits to be used again, in bytes. */
  constructor(idleBytesMax: number) {
    this.#idleBytesMax = idleBytesMax;
  }

  /** Bytes that wait to be used again. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer with an ArrayBuffer of its own, of at least `length` bytes; small ones are always new. */
  take(length: number): Buffer {
    if (length < STEP_BYTES) return Buffer.allocUnsafeSlow(length);
    const bytes = Math.ceil(length / STEP_BYTES) * STEP_BYTES;
    const buffer = this.#idle.get(bytes)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(bytes);
    this.#idleBytes -= bytes;
    return buffer;
  }

  /** A whole buffer that `take` gave and of which nobody has a view any more. */
  give(buffer: Buffer): void {
    const bytes = buffer.length;
    if (bytes < STEP_BYTES || bytes > this.#idleBytesMax) return;
    const idle = this.#idle.get(bytes) ?? [];
    this.#idle.set(bytes, idle);
    idle.push(buffer);
    this.#idleBytes += bytes;
    if (this.#idleBytes > this.#idleBytesMax) this.#shrink(bytes);
  }

  /** Lengths that nobody asks for any more go before the one in use. */
  #shrink(used: number): void {
    for (const [bytes, idle] of this.#idle) {
      while (this.#idleBytes > this.#idleBytesMax && bytes !== used && idle.pop() !== undefined) {
        this.#idleBytes -= bytes;
      }
    }
    while (this.#idleBytes > this.#idleBytesMax && this.#idle.get(used)?.pop() !== undefined) {
      this.#idleBytes -= used;
    }
  }
}

/** What is lent can be given back once; whoever does it again does nothing. */
export class Lease {
  readonly #pool: BufferPool;
  #buffer: Buffer | undefined;

  constructor(pool: BufferPool, buffer: Buffer) {
    this.#pool = pool;
    this.#buffer = buffer;
  }

  /** Nobody has a view of the buffer any more. */
  readonly release = (): void => {
    const buffer = this.#buffer;
    this.#buffer = undefined;
    if (buffer !== undefined) this.#pool.give(buffer);
  };
}
