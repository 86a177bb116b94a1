/** What happens to a set, in the words of the wire: bytes as hex, errors by code, lists with an end. */
import type { AfterimageError } from '../../shared/errors.js';
import { WANTS_MAX, type WireEvent } from '../../shared/protocol/events.js';
import type { SetEvent } from './set-port.js';

export function wireEventOf(event: Exclude<SetEvent, { type: 'durable' | 'begun' }>): WireEvent {
  switch (event.type) {
    case 'sealed':
      return { type: 'sealed', sync: event.sync };
    case 'committed':
      return {
        type: 'committed',
        sync: event.sync,
        point: event.point,
        chain: event.chain.toString('hex'),
        timeMs: event.timeMs,
      };
    case 'refused':
      return {
        type: 'refused',
        sync: event.sync,
        ...failureOf(event.error),
        wants: event.wants.slice(0, WANTS_MAX).map(({ node, block }) => [node, block]),
      };
    case 'wanted':
      return {
        type: 'wanted',
        blocks: event.blocks.slice(0, WANTS_MAX).map(({ node, block }) => [node, block]),
      };
    case 'stalled':
      return { type: 'stalled', ...failureOf(event.error) };
    case 'resumed':
      return { type: 'resumed' };
  }
}

function failureOf(error: AfterimageError): { code: string; message: string } {
  return { code: error.code, message: error.message.slice(0, 2000) };
}
