/**
 * How fast the link of a session is: what the replica acknowledged as received, per time in which
 * frames waited for credit. Only then the link decides the pace; at other times all that is known is
 * that it takes at least what is sent.
 */

/** A reading is made of so much time or content, whichever comes first. */
const READING_MS = 200;
const READING_BYTES = 4 * 1024 * 1024;
/** Less time than this says nothing, however much arrived. */
const READING_MS_MIN = 20;
/** Where nothing was received yet, so much may be on its way. */
const FIRST_BYTES = 1024 * 1024;
/** How much a new reading counts. */
const WEIGHT = 0.5;
/** After so long in which no frame waits, the link is taken to be faster by this much. */
const FREE_MS = 500;
const FREE_GROWTH = 1.5;
/** Of what it is known to take, so much at least has to be used. */
const USED_MIN = 0.1;
/** So long at most, once that turned out to be wrong several times. */
const FREE_MS_MAX = 8_000;

/** What arrived, in bytes. */
export interface ReceivedBytes {
  /** Of messages. */
  readonly wire: number;
  /** Of content before compression. */
  readonly raw: number;
}

/** What arrived in so much time in which frames waited. */
export interface LinkReading extends ReceivedBytes {
  readonly ms: number;
}

export class LinkMeter {
  #goodput: number | undefined;
  #heldSinceMs: number | undefined;
  #heldMs = 0;
  #heldWire = 0;
  #heldRaw = 0;
  #freeSinceMs: number | undefined;
  #freeWire = 0;
  #freeMs = FREE_MS;
  /** What was last measured, where it was only taken to be more since. */
  #grownFrom: number | undefined;

  /** Bytes of messages that the link takes in a ms; undefined when no frame ever waited for long. */
  bytesPerMs(nowMs: number): number | undefined {
    if (this.#goodput !== undefined || this.#heldSinceMs === undefined) return this.#goodput;
    // Frames wait for the first time: what is received from now on is no more than this.
    const ms = this.#heldMs + nowMs - this.#heldSinceMs;
    return ms < READING_MS_MIN ? undefined : Math.max(this.#heldWire, FIRST_BYTES) / ms;
  }

  /** Frames wait for credit, or none does any more. */
  waits(held: boolean, nowMs: number): void {
    if (held === (this.#heldSinceMs !== undefined)) return;
    if (held) {
      this.#heldSinceMs = nowMs;
      this.#freeSinceMs = undefined;
    } else {
      this.#heldMs += nowMs - (this.#heldSinceMs ?? nowMs);
      this.#heldSinceMs = undefined;
      this.#freeSinceMs = nowMs;
      this.#freeWire = 0;
    }
  }

  /** The replica has received so much more. Returns a reading when one is complete. */
  received(bytes: ReceivedBytes, nowMs: number): LinkReading | undefined {
    if (this.#heldSinceMs === undefined) {
      this.#free(bytes.wire, nowMs);
      return undefined;
    }
    this.#heldMs += nowMs - this.#heldSinceMs;
    this.#heldSinceMs = nowMs;
    this.#heldWire += bytes.wire;
    this.#heldRaw += bytes.raw;
    return this.#read();
  }

  /** The session broke: what was sent is not known to have arrived. */
  interrupt(): void {
    this.#heldSinceMs = undefined;
    this.#freeSinceMs = undefined;
    this.#startOver();
  }

  #read(): LinkReading | undefined {
    const ms = this.#heldMs;
    const enough = ms >= READING_MS || (this.#heldWire >= READING_BYTES && ms >= READING_MS_MIN);
    if (!enough || this.#heldWire === 0) return undefined;
    const reading = { wire: this.#heldWire, raw: this.#heldRaw, ms };
    const perMs = reading.wire / ms;
    const before = this.#goodput ?? perMs;
    if (this.#grownFrom !== undefined) {
      const wrong = perMs < this.#grownFrom * FREE_GROWTH;
      this.#freeMs = wrong ? Math.min(FREE_MS_MAX, this.#freeMs * 2) : FREE_MS;
      this.#goodput = perMs;
      this.#grownFrom = undefined;
      this.#startOver();
      return reading;
    }
    this.#goodput = before + (perMs - before) * WEIGHT;
    this.#startOver();
    return reading;
  }

  #startOver(): void {
    this.#heldMs = 0;
    this.#heldWire = 0;
    this.#heldRaw = 0;
  }

  /** Nothing waits: the link takes all that comes, and may have become faster. */
  #free(wire: number, nowMs: number): void {
    this.#freeSinceMs ??= nowMs;
    this.#freeWire += wire;
    const ms = nowMs - this.#freeSinceMs;
    if (ms < this.#freeMs) return;
    const perMs = this.#freeWire / ms;
    // Between syncs nothing is sent, and nothing is learnt.
    if (this.#goodput !== undefined && perMs > this.#goodput * USED_MIN) {
      this.#grownFrom ??= this.#goodput;
      this.#goodput = Math.max(this.#goodput * FREE_GROWTH, perMs);
    }
    this.#freeSinceMs = nowMs;
    this.#freeWire = 0;
  }
}
