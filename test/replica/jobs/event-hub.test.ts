import { describe, expect, it } from 'vitest';
import type { EventData } from '../../../shared/api/events.js';
import { EventHub, type Listener, type Listening } from '../../../replica/jobs/event-hub.js';

function setEvent(set: string, state: 'idle' | 'receiving' = 'idle'): EventData<'set'> {
  return { set, state, agentConnected: true, error: null };
}

class Ear implements Listener {
  heard = '';
  readonly wants: Listener['wants'];

  constructor(wants?: Listener['wants']) {
    this.wants = wants;
  }

  deliver(bytes: Buffer): void {
    this.heard += bytes.toString();
  }

  get sets(): string[] {
    return [...this.heard.matchAll(/"set":"(\w+)"/g)].map(([, set]) => set ?? '');
  }

  get lastId(): string {
    return [...this.heard.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }
}

function tell(hub: EventHub, set: string, key?: string): void {
  hub.publish({ name: 'set', set, data: setEvent(set), ...(key === undefined ? {} : { key }) });
}

const missedOf = ({ missed }: Listening): string[] =>
  [...missed.toString().matchAll(/"set":"(\w+)"/g)].map(([, set]) => set ?? '');

describe('event hub', () => {
  it('events: come to every listener, each what it wants, as lines of an event stream', async () => {
    const hub = new EventHub();
    const all = new Ear();
    const some = new Ear((event) => event.set === 'mail');
    hub.listen(all);
    hub.listen(some);
    tell(hub, 'shop');
    tell(hub, 'mail');
    await expect.poll(() => all.sets).toEqual(['shop', 'mail']);
    expect(some.sets).toEqual(['mail']);
    expect(all.heard).toMatch(
      /^id: [0-9a-f]{12}-1\nevent: set\ndata: \{.*\}\n\nid: [0-9a-f]{12}-2\n/,
    );
  });

  it('who comes back: hears what it missed, once, and what it had not wanted is left out', async () => {
    const hub = new EventHub();
    const ear = new Ear();
    const listening = hub.listen(ear);
    tell(hub, 'one');
    await expect.poll(() => ear.sets).toEqual(['one']);
    listening.stop();
    for (const set of ['two', 'three', 'four']) tell(hub, set);
    const back = hub.listen(new Ear((event) => event.set !== 'three'), ear.lastId);
    expect([back.resumed, missedOf(back)]).toEqual([true, ['two', 'four']]);
    expect(missedOf(hub.listen(new Ear(), back.id))).toEqual([]);
  });

  it('an event that a later one of its key replaces: is not told to who comes back', () => {
    const hub = new EventHub();
    const { id } = hub.listen(new Ear());
    tell(hub, 'one', 'job-1');
    tell(hub, 'two', 'job-2');
    tell(hub, 'three', 'job-1');
    expect(missedOf(hub.listen(new Ear(), id))).toEqual(['two', 'three']);
  });

  it.each(['', 'other-1', '-1', 'x'])(
    'id %j: is not of this hub, so all has to be asked anew',
    (id) => {
      const hub = new EventHub();
      tell(hub, 'one');
      expect(hub.listen(new Ear(), id)).toMatchObject({ resumed: false, missed: Buffer.alloc(0) });
    },
  );

  it('more events than are kept: who missed one of those that went is told so; memory is bounded', () => {
    const hub = new EventHub();
    const { id } = hub.listen(new Ear());
    for (let each = 0; each < 5000; each += 1) tell(hub, 'many');
    expect(hub.listen(new Ear(), id).resumed).toBe(false);
    const late = `${id.split('-')[0] ?? ''}-4999`;
    expect(missedOf(hub.listen(new Ear(), late))).toEqual(['many']);
  });

  it('200 listeners: cost one serialisation, not one each', async () => {
    const hub = new EventHub();
    const bytes = new Set<Buffer>();
    let heard = 0;
    for (let each = 0; each < 200; each += 1) {
      hub.listen({
        deliver: (said) => {
          bytes.add(said);
          heard += 1;
        },
      });
    }
    tell(hub, 'shop');
    await expect.poll(() => heard).toBe(200);
    expect(bytes.size).toBe(1);
  });
});
