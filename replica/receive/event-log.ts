/**
 * Events of one set that its agent has not handled, numbered within this process: they are sent
 * again until the agent says which it has seen.
 */
import { EVENTS_MAX, type NumberedEvent, type WireEvent } from '../../shared/protocol/events.js';

export class EventLog {
  #events: NumberedEvent[] = [];
  #serial = 0;
  #seen = 0;

  /** Number of the newest event. */
  get serial(): number {
    return this.#serial;
  }
  get seen(): number {
    return this.#seen;
  }
  /** Events to send, oldest first. */
  get unseen(): readonly NumberedEvent[] {
    return this.#events;
  }

  /** Returns the event's number. The oldest unseen one goes when there are too many. */
  push(event: WireEvent): number {
    this.#serial += 1;
    this.#events.push({ serial: this.#serial, event });
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
    return this.#serial;
  }

  /** The agent has handled everything up to `serial`. */
  acknowledge(serial: number): void {
    this.#seen = Math.max(this.#seen, Math.min(serial, this.#serial));
    this.#events = this.#events.filter((numbered) => numbered.serial > serial);
  }

  /** Keeps of the events up to `serial` those that `wanted` says. */
  settle(serial: number, wanted: (event: WireEvent) => boolean): void {
    this.#events = this.#events.filter(
      (numbered) => numbered.serial > serial || wanted(numbered.event),
    );
  }

  get refusedSync(): number | null {
    const refused = this.#events.findLast((numbered) => numbered.event.type === 'refused')?.event;
    return refused?.type === 'refused' ? refused.sync : null;
  }
}
