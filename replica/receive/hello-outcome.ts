/**
 * What a HELLO means, as a pure function of where both sides stand (R13): whose history goes on,
 * and which frames of the sync under way are still good.
 */
import type { FramesPlan, Hello, WireOutcome } from '../../shared/protocol/hello.js';
import type { Divergence } from '../../shared/protocol/sync-outcome.js';
import type { SetPosition } from './set-port.js';

/** What this process knows of the frames that came before; null when it knows nothing. */
export interface ArrivedFrames {
  readonly stream: string;
  /** Next wire sequence that is taken. */
  readonly next: number;
  /** Newest frame that the set has taken; those between wait for it. */
  readonly received: number;
  /** No frame waits, of whatever stream. */
  readonly idle: boolean;
  /** Sync that was refused, when the agent may not know it yet. */
  readonly refusedSync: number | null;
}

export interface HelloDecision {
  readonly outcome: WireOutcome;
  readonly frames: FramesPlan;
}

/**
 * `'wait'`: a sync that this agent process did not send itself is being sealed or applied, or its
 * `end` may be among frames that wait; where it leads to is known when it is done, so the agent
 * shall ask again.
 */
export function decideHello(
  hello: Pick<Hello, 'position' | 'frames'>,
  position: SetPosition,
  arrived: ArrivedFrames | null,
): HelloDecision | 'wait' {
  const history = compareHistory(hello.position, position);
  const { staged } = position;
  if (staged !== null && (staged.sealed || staged.ended === true)) {
    const known = history === 'equal' && hello.frames.open?.sync === staged.sync;
    if (!known) return 'wait';
    if (staged.sealed) {
      const frames = planFrames(hello.frames, { ...position, staged: null }, arrived, staged.sync);
      return { outcome: { type: 'go-on', resumed: true }, frames };
    }
  }
  if (hello.position.ended !== null && othersWait(hello.frames, arrived)) return 'wait';
  const frames = planFrames(hello.frames, position, arrived, null);
  const chain = position.chain.toString('hex');
  switch (history) {
    case 'equal': {
      const resumed = hello.frames.open !== null && frames.type !== 'lost';
      return { outcome: { type: 'go-on', resumed }, frames };
    }
    case 'ahead': {
      const timeMs = position.newestSync?.timeMs ?? 0;
      return { outcome: { type: 'roll-forward', point: position.point, chain, timeMs }, frames };
    }
    case 'diverged': {
      const reason = whyDiverged(hello.position, position);
      return { outcome: { type: 'diverged', point: position.point, chain, reason }, frames };
    }
  }
}

/** Frames of an earlier process of the agent are here that the set has not taken. */
function othersWait(frames: Hello['frames'], arrived: ArrivedFrames | null): boolean {
  return arrived !== null && !arrived.idle && arrived.stream !== frames.stream;
}

/** Which side lost what it knew, as far as their points tell (R13). */
function whyDiverged(agent: Hello['position'], position: SetPosition): Divergence {
  if (agent.point === 0) return 'agent-state-lost';
  if (position.point === 0) return 'replica-state-lost';
  if (agent.point > position.point) return 'replica-state-old';
  const isPast = position.chainOf(agent.point)?.toString('hex') === agent.chain;
  return isPast ? 'agent-state-old' : 'other-history';
}

function compareHistory(
  agent: Hello['position'],
  position: SetPosition,
): 'equal' | 'ahead' | 'diverged' {
  if (agent.point === position.point && agent.chain === position.chain.toString('hex')) {
    return 'equal';
  }
  const newest = position.newestSync;
  const parentIsAgents =
    position.parentChain === null
      ? agent.point === 0
      : position.parentChain.toString('hex') === agent.chain;
  const isAgentsSync =
    newest !== null &&
    agent.ended?.sync === newest.sync &&
    agent.ended.manifest === newest.manifest.toString('hex');
  return parentIsAgents && isAgentsSync ? 'ahead' : 'diverged';
}

/** `sealedSync` is a sync that needs no frames any more. */
function planFrames(
  frames: Hello['frames'],
  position: SetPosition,
  arrived: ArrivedFrames | null,
  sealedSync: number | null,
): FramesPlan {
  const { staged } = position;
  const open = frames.open?.sync === sealedSync ? null : frames.open;
  if (arrived?.stream === frames.stream) {
    if (frames.firstRestarts && frames.first >= arrived.next) {
      return { type: 'from', sequence: frames.first };
    }
    // a sync that waits to be staged is none that the set dropped
    const gone =
      open !== null &&
      open.begin <= arrived.received &&
      staged?.sync !== open.sync &&
      arrived.refusedSync !== open.sync;
    if (!gone && frames.first <= arrived.next && arrived.next <= frames.next) {
      return { type: 'from', sequence: arrived.next };
    }
  } else if (staged !== null && staged.boot === frames.boot && staged.sync === open?.sync) {
    const from = staged.receivedSequence + 1 + frames.offset;
    if (frames.first <= from && from <= frames.next) return { type: 'from', sequence: from };
  }
  // everything of the open sync is still with the agent, or there is none: begin afresh
  return open === null || frames.first <= open.begin ? { type: 'restart' } : { type: 'lost' };
}
