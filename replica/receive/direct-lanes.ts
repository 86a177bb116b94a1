/**
 * The replica's side of the direct lane: takes streams of agents whose session is known, hands what
 * comes on them to the receiver as if it had come through the broker, and tells HELLOs where to dial.
 */
import { messageOf, type AfterimageError } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import { DIRECT_ADDRESSES_MAX, type Hello, type Welcome } from '../../shared/protocol/hello.js';
import { type SetAddress, subjectOf } from '../../shared/protocol/subject.js';
import type { DirectEnd } from '../../shared/transport/direct-end.js';
import { type DirectDoor, openDirectDoor } from '../../shared/transport/direct-door.js';
import type { TransportMessage } from '../../shared/transport/transport.js';
import type { AgentSession } from './agent-session.js';
import type { ReceiveCounters } from './counters.js';

export interface DirectAddress {
  readonly host: string;
  readonly port: number;
}

/** Where streams are taken, and what agents are told of it. */
export interface DirectListen {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Where agents may reach this port; asked for at every HELLO. */
  readonly addresses: (port: number) => readonly DirectAddress[];
}

export interface DirectLanesOptions {
  readonly listen: DirectListen;
  /** The session of this name that may send, or may soon. */
  readonly find: (
    id: string,
  ) => { readonly session: AgentSession; readonly address: SetAddress } | undefined;
  readonly receive: (message: TransportMessage) => void;
  readonly counters: ReceiveCounters;
  readonly log: Log;
  readonly monotonic: () => number;
}

/** What a welcome says of the direct lane, and the stream that its session goes over. */
export interface LaneAnswer {
  readonly direct?: NonNullable<Extract<Welcome, { type: 'welcome' }>['direct']>;
  readonly lane?: DirectEnd;
}

/** An agent's set needs one; another may be dialled before the first is seen to be dead. */
const STREAMS_OF_SET_MAX = 2;
/** Anybody who reaches the port can be the cause. */
const WARN_EVERY_MS = 60_000;

interface Stream {
  readonly id: string;
  readonly end: DirectEnd;
}

export class DirectLanes {
  /** The port is open, or cannot be had; never rejects. */
  readonly ready: Promise<void>;
  readonly #options: DirectLanesOptions;
  readonly #streams = new Map<string, Stream[]>();
  #door: DirectDoor | undefined;
  #closed = false;
  #warnedMs = -Infinity;

  constructor(options: DirectLanesOptions) {
    this.#options = options;
    this.ready = this.#open();
  }

  /** The port at which streams are taken; undefined while none are. */
  get port(): number | undefined {
    return this.#door?.port;
  }

  /** An address that cannot be had is said, and everything goes through the broker. */
  async #open(): Promise<void> {
    const { listen, log } = this.#options;
    const { host, port } = listen;
    try {
      const door = await openDirectDoor({
        host,
        port,
        admit: (id) => this.#admit(id),
        onStream: (id, end, from) => {
          this.#onStream(id, end, from);
        },
        onRefused: (error, from) => {
          this.#onRefused(error, from);
        },
      });
      if (this.#closed) await door.close();
      else this.#door = door;
      log.info('direct streams are taken', { host, port: door.port });
    } catch (error) {
      log.warn('no direct streams: frames come through the broker', {
        host,
        port,
        error: messageOf(error),
      });
    }
  }

  /** The stream that a HELLO names, or where to dial for one. */
  answer(address: SetAddress, hello: Hello): LaneAnswer {
    if (hello.direct === undefined || this.#door === undefined) return {};
    const { stream } = hello.direct;
    const known = this.#streams.get(keyOf(address))?.find(({ id }) => id === stream);
    if (known !== undefined) return { direct: { type: 'taken' }, lane: known.end };
    const addresses = this.#addresses(this.#door.port);
    if (addresses.length === 0) return {};
    return {
      direct: { type: 'offered', addresses: addresses.slice(0, DIRECT_ADDRESSES_MAX) },
    };
  }

  /** None where the system does not tell them, as in a sandbox: a HELLO is answered all the same. */
  #addresses(port: number): readonly DirectAddress[] {
    try {
      return this.#options.listen.addresses(port);
    } catch (error) {
      this.#options.log.debug('no address is known for direct streams', {
        error: messageOf(error),
      });
      return [];
    }
  }

  /** Ends the streams of a set whose sessions are refused by now. */
  end(address: SetAddress, why: string): void {
    for (const { end } of [...(this.#streams.get(keyOf(address)) ?? [])]) end.detach(why);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#door?.close();
    this.#door = undefined;
  }

  #admit(id: string) {
    const found = this.#options.find(id);
    if (found === undefined) return undefined;
    const up = subjectOf(found.address, 'up');
    return {
      key: found.session.laneKey,
      prefix: up.slice(0, -'up'.length),
      hears: [up],
    };
  }

  #onStream(id: string, end: DirectEnd, from: string): void {
    const found = this.#options.find(id);
    if (found === undefined) {
      void end.close();
      return;
    }
    const { address, session } = found;
    this.#options.counters.directStreams += 1;
    // Questions go through the broker. Here a reply subject is anybody's who is on the way: it gets nowhere.
    end.subscribe(subjectOf(address, 'up'), (message) => {
      if (message.reply === undefined) this.#options.receive(message);
      else this.#options.counters.malformed += 1;
    });
    const key = keyOf(address);
    const streams = [...(this.#streams.get(key) ?? []), { id, end }];
    this.#streams.set(key, streams);
    const surplus = streams.filter((one) => one.end !== end && one.end !== session.lane);
    for (const one of surplus.slice(0, Math.max(0, streams.length - STREAMS_OF_SET_MAX))) {
      one.end.detach('the agent has opened another');
    }
    end.onStatus(({ type }) => {
      if (type === 'disconnected') this.#forget(key, end);
    });
    const { agent, set } = address;
    this.#options.log.debug('a direct stream was opened', { agent, set, from });
  }

  #forget(key: string, end: DirectEnd): void {
    const left = (this.#streams.get(key) ?? []).filter((one) => one.end !== end);
    if (left.length === 0) this.#streams.delete(key);
    else this.#streams.set(key, left);
  }

  #onRefused(error: AfterimageError, from: string): void {
    const { counters, log, monotonic } = this.#options;
    counters.directRefused += 1;
    if (error.code === 'frame-malformed') counters.malformed += 1;
    else if (error.code === 'frame-forged') counters.forged += 1;
    if (monotonic() - this.#warnedMs < WARN_EVERY_MS) return;
    this.#warnedMs = monotonic();
    log.warn('a direct connection was refused', {
      from,
      code: error.code,
      error: error.message,
      refused: counters.directRefused,
    });
  }
}

function keyOf({ agent, set }: SetAddress): string {
  return `${agent}/${set}`;
}
