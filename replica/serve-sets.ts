/** Shows the sets of the house to the HTTP API. */
import { AfterimageError } from '../shared/errors.js';
import type { SetState as ServedState } from '../shared/api/status.js';
import type { Receiver } from './receive/receiver.js';
import type { ServedSet } from './serve/served-set.js';
import type { OpenedSet, SetHouse } from './set-house.js';
import type { SetState } from './state.js';

const served: Record<SetState, ServedState> = {
  idle: 'idle',
  receiving: 'receiving',
  sealing: 'receiving',
  sealed: 'applying',
  applying: 'applying',
};

export function servedSets(house: SetHouse, receiver: Receiver): ServedSet[] {
  return house.opened.map((opened) => servedSet(opened, receiver));
}

function servedSet(opened: OpenedSet, receiver: Receiver): ServedSet {
  const session = () => receiver.sessions().find(({ set }) => set === opened.name);
  return {
    reader: opened.reader,
    scrub: opened.scrub,
    activity: () => {
      const { state, stalled } = opened.writer.status;
      const at = session();
      return {
        agent: at?.agent ?? null,
        agentConnected: at?.live ?? false,
        state: stalled === undefined ? served[state] : 'stalled',
        error: stalled ?? opened.refusal ?? at?.refused ?? null,
        continuityMs: at?.watch?.continuityMs ?? null,
        behindMs: at?.watch?.behindMs ?? null,
      };
    },
    onCommitted: (listener) =>
      opened.writer.onEvent((event) => {
        if (event.type !== 'committed') return;
        const newest = opened.reader.newest();
        if (newest !== undefined) listener(newest);
      }),
    askSync: async (request) => {
      const at = session();
      if (at === undefined) {
        throw new AfterimageError('agent-away', `the agent of set ${opened.name} is not connected`);
      }
      await receiver.askSync({ agent: at.agent, set: at.set, request });
    },
  };
}
