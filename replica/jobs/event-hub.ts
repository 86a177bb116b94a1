/**
 * What happens on the replica, told to everybody who listens: each event is turned into bytes once,
 * whoever hears it, and the newest are kept so that a listener can go on from where it was cut off.
 * Publishing costs its serialisation; listeners are served together, a moment later.
 */
import { randomBytes } from 'node:crypto';
import type { EventData, EventName } from '../../shared/api/events.js';

/** Kept for listeners that come back. */
const KEPT_EVENTS_MAX = 4096;
const KEPT_BYTES_MAX = 8 * 1024 * 1024;
/** Events of one moment go out together. */
const GATHER_MS = 20;
const EPOCH_BYTES = 6;

export interface HubEvent {
  readonly number: number;
  readonly name: EventName;
  /** The set it is about; null for the whole replica. */
  readonly set: string | null;
  /** As it is sent, the empty line at its end included. */
  readonly bytes: Buffer;
}

export type PublishedEvent<Name extends EventName = EventName> = {
  readonly name: Name;
  readonly set: string | null;
  readonly data: EventData<Name>;
  /** A later event of the same key takes the place of this one for those who come back. */
  readonly key?: string;
};

export interface Listener {
  /** Which events it may see and wants; undefined for all, which is served cheapest. */
  readonly wants?: ((event: HubEvent) => boolean) | undefined;
  /** Several events at a time. Must not throw. */
  deliver(bytes: Buffer): void;
}

export interface Listening {
  /** False when events after `lastEventId` are gone: everything has to be asked for again. */
  readonly resumed: boolean;
  /** The id that says "nothing missed up to here". */
  readonly id: string;
  /** What was missed, to be sent before anything else. */
  readonly missed: Buffer;
  stop(): void;
}

export class EventHub {
  readonly #epoch = randomBytes(EPOCH_BYTES).toString('hex');
  readonly #kept = new Map<string, HubEvent>();
  readonly #listeners = new Set<Listener>();
  #keptBytes = 0;
  #number = 0;
  /** Highest number among those that went because there were too many. */
  #gone = 0;
  #gathered: HubEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  get listeners(): number {
    return this.#listeners.size;
  }

  publish<Name extends EventName>({ name, set, data, key }: PublishedEvent<Name>): void {
    if (this.#closed) return;
    this.#number += 1;
    const text = `id: ${this.#id(this.#number)}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    const event = { number: this.#number, name, set, bytes: Buffer.from(text) };
    this.#keep(key ?? `#${event.number}`, event);
    if (this.#listeners.size === 0) return;
    this.#gathered.push(event);
    this.#timer ??= setTimeout(() => {
      this.#flush();
    }, GATHER_MS);
  }

  /** `lastEventId` is the id of the last event that the listener had. */
  listen(listener: Listener, lastEventId?: string): Listening {
    // Who comes now hears of what is gathered from what is kept.
    this.#flush();
    const since = this.#numberOf(lastEventId);
    const resumed = since !== undefined && since >= this.#gone;
    const missed: Buffer[] = [];
    if (resumed) {
      for (const event of this.#kept.values()) {
        if (event.number <= since) continue;
        if (listener.wants?.(event) !== false) missed.push(event.bytes);
      }
    }
    this.#listeners.add(listener);
    return {
      resumed,
      id: this.#id(this.#number),
      missed: Buffer.concat(missed),
      stop: () => {
        this.#listeners.delete(listener);
      },
    };
  }

  /** Nobody hears anything any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#gathered = [];
    this.#listeners.clear();
  }

  #id(number: number): string {
    return `${this.#epoch}-${number}`;
  }

  /** Undefined for an id of another process, or none. */
  #numberOf(id: string | undefined): number | undefined {
    const [epoch, digits] = (id ?? '').split('-');
    if (epoch !== this.#epoch || digits === undefined || !/^\d{1,15}$/.test(digits))
      return undefined;
    const number = Number(digits);
    return number <= this.#number ? number : undefined;
  }

  #keep(key: string, event: HubEvent): void {
    const before = this.#kept.get(key);
    if (before !== undefined) {
      this.#kept.delete(key);
      this.#keptBytes -= before.bytes.length;
    }
    this.#kept.set(key, event);
    this.#keptBytes += event.bytes.length;
    for (const [oldest, { number, bytes }] of this.#kept) {
      if (this.#kept.size <= KEPT_EVENTS_MAX && this.#keptBytes <= KEPT_BYTES_MAX) return;
      this.#kept.delete(oldest);
      this.#keptBytes -= bytes.length;
      this.#gone = Math.max(this.#gone, number);
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#gathered;
    if (events.length === 0) return;
    this.#gathered = [];
    const all = joined(events);
    for (const listener of [...this.#listeners]) {
      const { wants } = listener;
      const bytes = wants === undefined ? all : joined(events.filter(wants));
      if (bytes.length > 0) listener.deliver(bytes);
    }
  }
}

function joined(events: readonly HubEvent[]): Buffer {
  const [only] = events;
  if (events.length === 1 && only !== undefined) return only.bytes;
  return Buffer.concat(events.map(({ bytes }) => bytes));
}
