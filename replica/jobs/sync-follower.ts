/**
 * Shows every sync as a job, whoever began it: one that an operator asked for goes on in that job, any
 * other gets one of its own, in the agent's name. Also tells listeners of new points and of sets that
 * change their state. It looks at what the writers count anyhow; a sync pays nothing for it.
 */
import type { JobResult } from '../../shared/api/jobs.js';
import { toProblem } from '../../shared/api/problem.js';
import type { AfterimageError } from '../../shared/errors.js';
import { presentPoint } from '../serve/present.js';
import type { SetActivity } from '../serve/served-set.js';
import type { OpenedSet } from '../set-house.js';
import type { EventHub } from './event-hub.js';
import type { FollowedJob, JobDesk } from './job-desk.js';
import type { LiveJob } from './live-job.js';

const LOOK_MS = 250;
const LOOKS_WITHOUT_MAX = 8;

export interface SyncFollowerDeps {
  /** What the API says of a set; undefined where it serves none of that name. */
  readonly activity: (set: string) => SetActivity | undefined;
  readonly desk: JobDesk;
  readonly hub: EventHub;
}

type SavedSync = { readonly sync: number };

interface Followed {
  readonly set: OpenedSet;
  readonly subscription: { unsubscribe(): void };
  job: FollowedJob | undefined;
  /** The agent's number of the sync that `job` is. */
  sync: number;
  /** How often in a row nothing was under way where a job said so. */
  looksWithout: number;
  /** What listeners know of the set. */
  told: string;
}

export class SyncFollower {
  readonly #deps: SyncFollowerDeps;
  readonly #followed: Followed[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: SyncFollowerDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#timer ??= setInterval(() => {
      this.#look();
    }, LOOK_MS).unref();
  }

  /** A sync under way stays `running` in the record: the next process finds what became of it. */
  close(): void {
    clearInterval(this.#timer);
    for (const { subscription } of this.#followed.splice(0)) subscription.unsubscribe();
  }

  /** Called once for each set that is opened, before a frame of it can come. */
  follow(opened: OpenedSet): void {
    const followed: Followed = {
      set: opened,
      subscription: opened.writer.onEvent((event) => {
        switch (event.type) {
          case 'begun':
            this.#begin(followed, event.sync);
            break;
          case 'committed':
            this.#committed(followed, event.point);
            break;
          case 'refused':
            this.#refused(followed, event.error);
            break;
          case 'stalled':
            this.#say(followed, `stalled: ${event.error.message}`);
            break;
          case 'resumed':
            this.#say(followed, 'goes on');
            break;
          default:
        }
      }),
      job: undefined,
      sync: 0,
      looksWithout: 0,
      told: '',
    };
    this.#followed.push(followed);
    const { received } = opened.writer;
    if (received !== undefined) this.#begin(followed, received.sync);
    const newest = opened.writer.position().newestSync?.sync;
    this.#deps.desk.endLeft(opened.name, (saved) =>
      newest !== undefined && (saved as SavedSync | undefined)?.sync === newest
        ? { state: 'done', message: 'its point was cut while the replica started' }
        : { state: 'interrupted', message: 'the replica ended; the agent syncs again by itself' },
    );
  }

  #begin(followed: Followed, sync: number): void {
    followed.looksWithout = 0;
    // One that comes again, on another way, is the same sync.
    if (followed.job !== undefined && followed.sync === sync) {
      followed.job.say('it begins anew');
      return;
    }
    this.#dropped(followed);
    followed.sync = sync;
    if (this.#askedFor(followed).length > 0) {
      for (const live of this.#askedFor(followed)) live.log(`the agent began sync ${sync}`);
      return;
    }
    const agent = this.#deps.activity(followed.set.name)?.agent ?? null;
    const saved: SavedSync = { sync };
    followed.job = this.#deps.desk.follow({
      set: followed.set.name,
      by: agent === null ? 'agent' : `agent:${agent}`,
      saved,
      isSame: (left) => (left as SavedSync | undefined)?.sync === sync,
    });
    this.#count(followed);
  }

  /** Syncs that operators asked for and wait for. */
  #askedFor({ set, job }: Followed): readonly LiveJob[] {
    return job === undefined ? this.#deps.desk.running('sync', set.name) : [];
  }

  #count(followed: Followed): void {
    const { received, status } = followed.set.writer;
    if (received === undefined) {
      // A refusal is told a moment after its sync is gone.
      followed.looksWithout += 1;
      if (followed.looksWithout > LOOKS_WITHOUT_MAX) this.#dropped(followed);
      return;
    }
    followed.looksWithout = 0;
    const step = status.stalled === undefined ? status.state : 'stalled';
    const update = { step, bytes: received.bytes, files: received.nodes };
    if (followed.job !== undefined) followed.job.progress(update);
    else for (const live of this.#askedFor(followed)) live.progress(update);
  }

  #dropped(followed: Followed): void {
    followed.job?.end({
      state: 'cancelled',
      message: 'the agent dropped this sync; it begins anew',
    });
    followed.job = undefined;
  }

  #say(followed: Followed, text: string): void {
    if (followed.job !== undefined) followed.job.say(text);
    else for (const live of this.#askedFor(followed)) live.say(text);
  }

  #committed(followed: Followed, number: number): void {
    const point = followed.set.reader.newest();
    if (point?.point === number) {
      const data = { set: followed.set.name, point: presentPoint(point) };
      this.#deps.hub.publish({ name: 'point', set: followed.set.name, data });
    }
    const { job } = followed;
    followed.job = undefined;
    if (job === undefined) return;
    // The intent is still there: the last counts are.
    const { received } = followed.set.writer;
    if (received !== undefined) {
      const { bytes, nodes } = received;
      job.progress({ step: 'applied', bytes, bytesTotal: bytes, files: nodes, filesTotal: nodes });
    }
    const result: JobResult = {
      text: `point ${number} was cut`,
      counts: {
        point: number,
        changedNodes: point?.changedNodes ?? 0,
        changedBytes: point?.changedBytes ?? 0,
      },
      troubles: [],
      troubleCount: point?.outcome.unreadable.length ?? 0,
      notes: [],
    };
    job.end({ state: 'done', message: result.text, result });
  }

  #refused(followed: Followed, error: AfterimageError): void {
    this.#say(followed, `refused: ${error.message}`);
    followed.job?.end({ state: 'failed', problem: toProblem(error) });
    followed.job = undefined;
  }

  #look(): void {
    for (const followed of this.#followed) {
      this.#count(followed);
      const activity = this.#deps.activity(followed.set.name);
      if (activity !== undefined) this.#tellState(followed, activity);
    }
  }

  #tellState(followed: Followed, { state, agentConnected, error }: SetActivity): void {
    const shown =
      error === null ? null : { code: error.code, message: error.message, hint: error.hint };
    const { name } = followed.set;
    const data = { set: name, state, agentConnected, error: shown };
    const told = JSON.stringify(data);
    if (told === followed.told) return;
    followed.told = told;
    this.#deps.hub.publish({ name: 'set', set: name, data, key: `set:${name}` });
  }
}
