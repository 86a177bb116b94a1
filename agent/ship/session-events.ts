/** What the wire says, in the words of the session's contract: bytes for hex, errors for codes. */
import { AfterimageError } from '../../shared/errors.js';
import type { WireEvent } from '../../shared/protocol/events.js';
import { errorCodeOf, type Hello, type WireOutcome } from '../../shared/protocol/hello.js';
import type { ToldEvent } from './link-owner.js';
import type { AgentPosition, HelloOutcome, SessionEvent } from './session.js';

export function wirePositionOf(position: AgentPosition): Hello['position'] {
  const { point, chain, incarnation, ended } = position;
  return {
    point,
    chain: chain.toString('hex'),
    incarnation: incarnation.toString('hex'),
    ended: ended === null ? null : { sync: ended.sync, manifest: ended.manifest.toString('hex') },
  };
}

export function outcomeOf(outcome: WireOutcome): HelloOutcome {
  if (outcome.type === 'go-on') return outcome;
  const chain = Buffer.from(outcome.chain, 'hex');
  if (outcome.type === 'roll-forward') return { ...outcome, chain };
  return { ...outcome, chain, reason: outcome.reason ?? 'other-history' };
}

export function sessionEventOf(event: ToldEvent): SessionEvent {
  switch (event.type) {
    case 'committed':
      return { ...event, chain: Buffer.from(event.chain, 'hex') };
    case 'refused':
      return {
        type: 'refused',
        sync: event.sync,
        error: new AfterimageError(errorCodeOf(event.code), event.message),
        wants: event.wants.map(([node, block]) => ({ node, block })),
      };
    case 'wanted':
      return { type: 'wanted', blocks: event.blocks.map(([node, block]) => ({ node, block })) };
    case 'stalled':
      return {
        type: 'stalled',
        error: new AfterimageError(errorCodeOf(event.code), event.message),
      };
    default:
      return event;
  }
}

/**
 * Why an event makes it doubtful that both sides stand at the same point, or undefined. `unknown`
 * says that the sync it names is not, or no longer, the open one.
 */
export function doubtOf(event: WireEvent, unknown: boolean): AfterimageError | undefined {
  if (event.type === 'committed' && unknown) {
    const facts = { sync: event.sync, point: event.point };
    return new AfterimageError('diverged', 'a sync was committed that was dropped here', { facts });
  }
  if (event.type === 'refused' && event.code === 'parent-mismatch') {
    return new AfterimageError('diverged', event.message, { facts: { sync: event.sync } });
  }
  return undefined;
}
